"""The papers' numbers as the files beside this module hold them: what was measured, where it stands, under which rule
and conditions. Nothing here is ever averaged or ranked with a measured score; `beside` sets the two side by side.
"""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from data_builders.shared.errors import UserError

FOLDER = Path(__file__).parent
Text = Annotated[str, Field(min_length=1)]
Rows = Annotated[dict[Text, dict[Text, Annotated[float, Field(ge=0, le=100)]]], Field(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ours(Strict):
    """Which score here stands for the paper's: the first of `rules` that a task has (none: its primary rule), and its
    `metric` (none: the one that stands for the task)."""

    rules: tuple[str, ...]
    metric: str
    same: bool  # the same rule, or one that is said to be comparable
    said: Text  # why


class PublishedTable(Strict):
    """One table or figure of a paper. Columns are tasks or, with `by`, the values of that key in `task`; where `ours`
    is missing nothing here measures the same, and columns are the paper's words."""

    table: Text
    title: Text
    rule: Text  # as the paper has it
    split: Text
    prompt: Text
    decoding: Text
    ours: Ours | None = None
    task: str = ""
    by: str = ""
    n_from: str = ""  # what `n` and `images` count
    n: dict[str, int] = {}  # task -> questions; a task without is never known to be the published one
    images: int | None = None  # of `task`, where the number of its questions is not published
    rounded: bool = False  # the paper says "nearly" or "approximately"
    rows: Rows  # model and setting -> column -> value

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows.values() for name in row))

    def task_of(self, column: str) -> str:
        return self.task or column

    @model_validator(mode="after")
    def _fits(self) -> "PublishedTable":
        if bool(self.task) != bool(self.by):
            raise ValueError("`by` names a key of the one `task`: give both or none")
        if self.ours is None and (self.task or self.n):
            raise ValueError("n and task are for numbers that are measured here; `ours` is missing")
        if self.ours and not self.n_from:
            raise ValueError("n_from is missing: what do n or images count?")
        if strange := set(self.n) - {self.task_of(column) for column in self.columns}:
            raise ValueError(f"n of {sorted(strange)[0]}, which no row has")
        return self


class Paper(Strict):
    """One file: a paper, or one of its tracks."""

    source: Text  # its short name
    paper: Text
    where: Text
    tables: tuple[PublishedTable, ...]
    findings: Annotated[tuple[Text, ...], BeforeValidator(tuple)] = ()  # what it found and gives no number for


def papers() -> tuple[Paper, ...]:
    """Every file, in the order of their names. UserError for one that does not fit the schema."""
    return _read(FOLDER)


@cache
def _read(folder: Path) -> tuple[Paper, ...]:
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append(Paper(**yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (ValidationError, TypeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: {error}") from None
    return tuple(found)
