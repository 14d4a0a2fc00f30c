"""Judges of a user's own, by entry points of installed packages (docs/extending/judges.md)."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file
from data_builders.shared.plugins import Plugins

from ..scoring.matching import JUDGE
from .candidate import Candidate
from .verdict import FACT_MOST, ITEM_MOST, Identity, Judgement, on_the_scale

VERSION = 1  # raised whenever an own judge would be asked otherwise

OWN = Plugins(
    "evaluation.judges",
    "a class whose objects have judge(candidate), which gives a Judgement of evaluation.judging.verdict, or a text why "
    "there is none",
    (JUDGE,),
)


@runtime_checkable
class OneByOne(Protocol):
    """What a user writes."""

    def judge(self, one: Candidate) -> Judgement | str: ...


def missing(name: str) -> str:
    """What is wrong where no judge of that name is installed; "" where one is. UserError as `Plugins.installed`."""
    if name in (known := OWN.installed()):
        return ""
    there = f"installed are: {', '.join(known)}" if known else "none is installed"
    return f"is {name}, which is no judge of your own; {there} (entry points {OWN.group})"


class OwnJudge:
    """Asks the judge of that name for one verdict after another. Its code and its options are its identity."""

    def __init__(self, name: str, options: Mapping[str, Any], place: str):
        """`place`: where the options stand. UserError where the judge does not take them. It must not be `missing`."""
        self._judge = OWN.make(name, options, place, OneByOne)
        self.identity = Identity(name, VERSION, own_hash(name, options))

    def check(self, candidates: Sequence[Candidate]) -> None:
        pass

    def more(self, one: Candidate) -> dict:
        """A name for what is judged, by which a later start knows that the verdict still holds; the image counts by its
        content."""
        image = sha256_file(one.image_path) if one.image_path is not None else None
        asked = json.dumps([self.identity.prompt, one.name, one.question, one.reference, one.answer, image])
        return {"judge_request": hashlib.sha256(asked.encode(errors="replace")).hexdigest()[:32]}

    def judge(self, candidates: Sequence[Candidate], take: Callable[[Candidate, Judgement | str, dict], None]) -> None:
        """UserError that names the answer where the judge fails, or gives something else; what was judged is taken."""
        for one in candidates:
            place = f"judge {self.identity.name}, image {one.image}, question {one.question_id}"
            try:
                verdict = self._judge.judge(one)
            except UserError:
                raise
            except Exception as error:  # whatever their code does
                raise UserError(f"{place}: {type(error).__name__}: {error}") from error
            if not isinstance(verdict, Judgement | str):
                raise UserError(f"{place}: it gave a {type(verdict).__name__}; expected is a Judgement, or a text")
            if isinstance(verdict, Judgement) and not on_the_scale(verdict.item, verdict.fact):
                scale = f"0 to {ITEM_MOST} and 0 to {FACT_MOST}"
                raise UserError(f"{place}: it gave {verdict.item} and {verdict.fact}; the scales are {scale}")
            take(one, verdict, {})

    def given_by_another(self, rows: Iterable[dict], earlier: Iterable[dict]) -> list[dict]:
        return []


def own_hash(name: str, options: Mapping[str, Any]) -> str:
    """16 hexadecimal digits over the judge's code and its options."""
    told = json.dumps([OWN.code(name), dict(options)], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
