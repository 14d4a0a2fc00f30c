"""What a language model reads out of a reply, for MathVista's rule: the official way asks one unless the reply is the
answer itself.

Any `Extractor` will do; `ModelExtractor` asks an OpenAI-compatible endpoint, cached on disk. The wording of the request
is ours, so its version is a part of the extractor's name, which stands beside the scores. A reply in which the model
finds no answer stays unextracted.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from data_builders.shared.llm import Client, system, user

from ..tasks.task import Task
from .answer_columns import details_of_row
from .rules.mathvista import direct

VERSION = 1  # of the request's wording
NOTHING = "NONE"
INSTRUCTION = (
    "You are shown a question about a picture, whose hint says what form the answer has, and a reply to it. Copy out "
    "the final answer that the reply gives, in the form that the hint asks for: the letter of an option, a number "
    "without its unit, or a list in square brackets. Do not solve the question and do not correct the reply. Write "
    f"the answer and nothing else. If the reply gives none, or does not decide for one, write {NOTHING}."
)
LONGEST = 8_000  # characters of a reply that are sent, from its end, where the answer stands


class Extractor(Protocol):
    name: str  # stands beside the scores

    def extract(self, query: str, reply: str) -> str | None:
        """The answer that the reply gives; None where it gives none."""
        ...

    def extract_all(self, pairs: list[tuple[str, str]]) -> Iterable[str | None]:
        """The same of many (query, reply), in their order."""
        ...


class ModelExtractor:
    """An endpoint's model. What was asked once costs nothing again."""

    def __init__(self, client: Client):
        self.client = client
        self.name = f"{client.endpoint.model}, extraction/{VERSION}"

    def extract(self, query: str, reply: str) -> str | None:
        asked = f"Question:\n{query}\n\nReply:\n{reply[-LONGEST:]}\n\nFinal answer:"
        found = self.client.ask([system(INSTRUCTION), user(asked)], temperature=0.0)
        return None if found.strip(" .").upper() == NOTHING else found

    def extract_all(self, pairs: list[tuple[str, str]]) -> Iterable[str | None]:
        return self.client.each(lambda pair: self.extract(*pair), pairs, "extraction", "replies")


def with_extractions(task: Task, rows: Iterable[dict], extractor: Extractor) -> Iterator[dict]:
    """The answer rows, each with its `extraction` and who made it. Rows that have one keep it; a reply that is the
    answer itself, or empty, is shown to nobody. UserError from an endpoint that cannot be asked."""
    rows = list(rows)
    items = {item.question_id: item for item in task.items}
    open_rows = []
    for place, row in enumerate(rows):
        item = items.get(row["question_id"])
        options = (item.options if item else ()) or row.get("options") or ()
        details = details_of_row(task, row, item.details if item else {}, options)
        choices = [str(one) for one in details.get("choices") or ()]
        done = row.get("extraction") not in (None, "") or direct(row["answer"], details, choices) is not None
        if not done and row["answer"].strip():
            open_rows.append(place)
    found = extractor.extract_all([(rows[place]["question"], rows[place]["answer"]) for place in open_rows])
    extracted = dict(zip(open_rows, found, strict=True))
    for place, row in enumerate(rows):
        yield {**row, "extraction": extracted[place], "extractor": extractor.name} if place in extracted else row
