"""A deterministic judge for FROW's open-world answers, for where there is no endpoint to ask. Its name is its rule.

Recognition (0-2): which category the answer names first; facts (0-3): words and numbers it shares with the reference.
It reads text only and knows no synonyms but those that the reference or a taxonomy gives, no paraphrase, no negated
fact, and English words only; so it is a yardstick for changes of one model, not a stand-in for the published judge's
scores. How far it agrees with another judge: `python -m evaluation judge-agreement`.
"""

from collections.abc import Callable, Iterable, Sequence

from ..scoring.matching import JUDGE
from .candidate import Candidate
from .mentions import Text
from .recognition import Known, judge_item
from .stated_facts import judge_facts
from .taxonomy import NO_TAXONOMY, Taxonomy
from .verdict import ITEM_MOST, Identity, Judgement

VERSION = 3  # raised whenever the same answer would get other scores; the task file's version goes with it
IDENTITY = Identity(JUDGE, VERSION)


def judge(
    name: str,
    question: str,
    reference: str,
    answer: str,
    categories: Sequence[str] = (),
    taxonomy: Taxonomy = NO_TAXONOMY,
) -> Judgement:
    """Judge one answer. `categories`: all names of the data set, to recognise that another one was named."""
    return judge_known(name, question, reference, answer, Known(categories, taxonomy))


def judge_known(name: str, question: str, reference: str, answer: str, known: Known) -> Judgement:
    item, item_reason = judge_item(name, question, reference, Text(answer), known)
    fact, fact_reason = judge_facts(name, question, reference, answer, recognised=item == ITEM_MOST)
    return Judgement(item, item_reason, fact, fact_reason)


class DeterministicJudge:
    """`known`: category names beyond those of the answers themselves."""

    def __init__(self, taxonomy: Taxonomy = NO_TAXONOMY, known: Sequence[str] = ()):
        self.taxonomy, self.known = taxonomy, known
        # with a taxonomy it is another judge: the same answer may get another score
        self.identity = Identity(f"{JUDGE}_with_taxonomy", VERSION) if taxonomy.kin else IDENTITY

    def check(self, candidates: Sequence[Candidate]) -> None:
        self.taxonomy.check(one.name for one in candidates)

    def more(self, one: Candidate) -> dict:
        return {"taxonomy": self.taxonomy.source} if self.taxonomy.kin else {}

    def judge(self, candidates: Sequence[Candidate], take: Callable[[Candidate, Judgement | str, dict], None]) -> None:
        known = Known(sorted({*self.known, *(one.name for one in candidates)}), self.taxonomy)
        for one in candidates:
            take(one, judge_known(one.name, one.question, one.reference, one.answer, known), {})

    def given_by_another(self, rows: Iterable[dict], earlier: Iterable[dict]) -> list[dict]:
        return []
