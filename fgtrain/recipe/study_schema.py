"""What a person may write in a study file: one question as arms x grid x seeds, what must be equal, what to answer."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from .keys import Name, Section, Seed, Texts
from .model_schema import PARTS

# A file with one of these keys is a study, not a recipe.
STUDY_KEYS = ("arms", "base", "changes", "grid", "seeds", "matched", "answer")
QUANTITIES = ("exposures.DATASET", "updates.PART", "tokens")
HELD_OUT_PARTS = ("seen", "unseen", "harmonic")  # of fine_grained, and of a task: TASK:unseen
MEASURES = ("fine_grained", "forgetting", "general", *HELD_OUT_PARTS)  # beside these, names of tasks
CONTRAST_PATTERN = r"^\s*(\S+)\s+-\s+(\S+)\s*$"  # an arm's name may hold a -, so blanks part the two


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _changes(value: Any) -> Any:
    if value is None:
        raise ValueError("must be a mapping of changes. For the base as it is, write {}")
    return value


Changes = Annotated[dict[str, Any], BeforeValidator(_changes)]  # key, dotted or not -> value
Values = Annotated[tuple[Any, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class Matched(Section):
    """A quantity that must be equal in all arms. In a study a bare text is `what`."""

    what: str  # exposures.DATASET, updates.PART or tokens
    but: Texts = ()  # arms that are left out

    @field_validator("what")
    @classmethod
    def _a_quantity(cls, value: str) -> str:
        kind, _, of = value.partition(".")
        known = f"What can be matched: {', '.join(QUANTITIES)}"
        if not (value == "tokens" or (kind in ("exposures", "updates") and of)):
            raise ValueError(f"no such quantity. {known}")
        if kind == "updates" and of not in PARTS:
            raise ValueError(f"{of} is no part of a model. Parts: {', '.join(PARTS)}")
        return value


class Contrast(Section):
    """Two arms, the second taken from the first."""

    a: str  # arm
    b: str  # arm that is taken from it

    def __str__(self) -> str:
        return f"{self.a} - {self.b}"


def _contrast(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.match(CONTRAST_PATTERN, value)
    if match is None:
        raise ValueError("not of the form ARM - ARM, with blanks around the -")
    return {"a": match[1], "b": match[2]}


class Answer(Section):
    """What the study's answer is made of."""

    # Of MEASURES, names of tasks, TASK:METRIC (pope:yes_ratio), each also "... at CHECKPOINT", or "steps until ...
    # reaches PERCENT"; or features/DATA SET/MEASURE/PART (PART: encoder, projector, projector-encoder).
    measure: Texts = ("fine_grained", "forgetting")
    # differences that answer the question; in a study each is a text: ARM - ARM
    contrasts: Annotated[tuple[Annotated[Contrast, BeforeValidator(_contrast)], ...], BeforeValidator(_as_tuple)] = ()


class StudyFile(Section):
    """A study as it is written. See `load_study` for what follows from it."""

    name: Name  # runs are called <name>-<arm>-s<seed>
    base: str | None = None  # a recipe file, relative to the study's
    changes: Changes = Field(default_factory=dict)  # to the base, for all arms
    # Arm -> its changes; `recipe: FILE` among them takes another file for the base.
    arms: dict[Name, Changes] = Field(default_factory=dict)
    # Key -> values; every arm with every combination of them.
    grid: dict[str, Values] = Field(default_factory=dict)
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_as_tuple)] = ()  # none = the base's
    # What must be equal in all arms: exposures.DATASET, updates.PART, tokens.
    matched: Annotated[
        tuple[Annotated[Matched, BeforeValidator(lambda v: {"what": v} if isinstance(v, str) else v)], ...],
        BeforeValidator(_as_tuple),
    ] = ()
    answer: Answer = Answer()  # what is measured, and which arms are set against each other
