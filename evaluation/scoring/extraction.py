"""What a language model reads out of a reply, for MathVista's rule: the official way asks one unless the reply is the
answer itself.

Any `Extractor` will do; `ModelExtractor` asks an OpenAI-compatible endpoint, cached on disk. The wording of the request
is ours, so its version is a part of the extractor's name, which stands beside the scores. A reply in which the model
finds no answer stays unextracted.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, EndpointError, Failures, system, user

from ..tasks.task import Task
from .answer_columns import details_of_row, with_types
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

    def extract_all(self, pairs: list[tuple[str, str]]) -> Iterable[str | None]:
        """Of each (query, reply), in their order, the answer that the reply gives; None where it gives none."""
        ...


class ModelExtractor:
    """An endpoint's model. What was asked once costs nothing again. One refused reply leaves the others."""

    def __init__(self, client: Client):
        self.client = client
        self.name = f"{client.endpoint.model}, extraction/{VERSION}"
        self.shown = 0  # replies that were shown to it
        self.refused: list[str] = []  # why it could not be asked about some

    def extract(self, query: str, reply: str, failures: Failures) -> str | None:
        """UserError when the endpoint answers nothing any more."""
        asked = f"Question:\n{query}\n\nReply:\n{reply[-LONGEST:]}\n\nFinal answer:"
        try:
            found = self.client.ask([system(INSTRUCTION), user(asked)])
        except EndpointError as error:
            self.refused.append(str(error))
            failures.failure(error)
            return None
        failures.success()
        return None if found.strip(" .").upper() == NOTHING else found

    def extract_all(self, pairs: list[tuple[str, str]]) -> list[str | None]:
        """UserError when nothing at all could be asked."""
        found = self._asked(pairs)
        if self.client.another():
            found = self._asked(pairs)  # what was kept is of another model than is served there now
        if pairs and len(self.refused) == len(pairs):
            raise UserError(f"{self.client.endpoint.model} extracted nothing: {self.refused[0]}")
        return found

    def _asked(self, pairs: list[tuple[str, str]]) -> list[str | None]:
        self.shown, self.refused = len(pairs), []
        failures = Failures(self.client.endpoint.concurrency)
        return list(self.client.each(lambda pair: self.extract(*pair, failures), pairs, "extraction", "replies"))

    @property
    def notes(self) -> list[str]:
        """What is to be said beside the score."""
        notes = [f"answers extracted by {self.name}"]
        if self.client.cached:
            kept, name = self.client.cached, self.client.name(self.client.kept_by)
            notes.append(f"{kept} of {self.shown} extractions from replies kept by {name}")
        notes += [f"of the extractions {told}" for told in self.client.told_of_replies]
        if self.refused:
            notes.append(f"{len(self.refused)} of {self.shown} replies could not be extracted ({self.refused[0]})")
        return notes


def with_extractions(task: Task, rows: Iterable[dict], extractor: Extractor) -> Iterator[dict]:
    """The answer rows, each with its `extraction` and who made it. Rows that have one keep it; a reply that is the
    answer itself, or empty, is shown to nobody. UserError from an endpoint that cannot be asked."""
    rows = list(rows)
    items = {item.question_id: item for item in task.items}
    open_rows = []
    for place, row in enumerate(rows):
        item = items.get(row["question_id"])
        options = (item.options if item else ()) or row.get("options") or ()
        details = with_types(task, row, details_of_row(row, item.details if item else {}), options)
        choices = [str(one) for one in details.get("choices") or ()]
        done = row.get("extraction") not in (None, "") or direct(row["answer"], details, choices) is not None
        if not done and row["answer"].strip():
            open_rows.append(place)
    found = extractor.extract_all([(rows[place]["question"], rows[place]["answer"]) for place in open_rows])
    extracted = dict(zip(open_rows, found, strict=True))
    for place, row in enumerate(rows):
        yield {**row, "extraction": extracted[place], "extractor": extractor.name} if place in extracted else row
