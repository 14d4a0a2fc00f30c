"""What a person may write of training sets, and of what is built before them."""

from typing import Annotated, Any

from pydantic import Field

from .keys import Fraction01, Positive, Section, Texts
from .replay import REPLAY, ReplayOptions


class ExpectedRow(Section):
    """What a row holds on average, told for plans that are made before the data is here. Decides nothing else."""

    pictures: Annotated[float, Field(ge=0)] = 1.0  # 0.9 = one row in ten is text only
    width: Positive = 512  # pixels of a picture
    height: Positive = 512  # the same
    text_tokens: Positive  # all texts, image tokens not counted
    learnt_tokens: Positive  # of these, the answers'
    most_text_tokens: Positive | None = None  # of the longest row; null = as many as model.max_tokens leaves


class DataSet(Section):
    """A training set: built by `what` at <built_root>/<name>, or one that lies at `path` already."""

    what: str | None = None  # a builder: python -m data_builders WHAT; or replay: rows of other sets, see replay.py
    root: str | None = None  # the builder's source
    options: dict[str, Any] = Field(default_factory=dict)  # the builder's options
    path: str | None = None  # folder of a set that is there already, in place of `what`
    rows: Positive | None = None  # declared; lets a plan count without the data, and is checked against the manifest
    images_in: Texts = ()  # folders beside data_root, built_root and its own that its images, or links to them, lie in
    max_cut_fraction: Fraction01 = 0.05  # of its rows, that model.max_tokens may cut: a cut answer never ends
    expected: ExpectedRow | None = None  # lets a plan estimate tokens, time and memory without the data; else unused

    @property
    def replay(self) -> ReplayOptions | None:
        """How rows of other sets are chosen for it; None where it has rows of its own."""
        return ReplayOptions.model_validate(self.options) if self.what == REPLAY else None


class Prepare(Section):
    """A builder command that makes worlds or benchmark files before anything else."""

    what: str  # as of a data set: python -m data_builders WHAT
    root: str | None = None  # the builder's source
    out: str  # folder that is written
    options: dict[str, Any] = Field(default_factory=dict)  # the builder's options
