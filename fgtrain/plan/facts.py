"""What is known before a plan is made: of a training set, and of a model. None always means unknown, never zero."""

from dataclasses import dataclass, field

from fgtrain.counts import Counts
from fgtrain.images import ImageSpec

from .cost import ModelShape


@dataclass(frozen=True)
class DataFacts:
    """What is known of a training set."""

    rows: int | None = None
    questions: int | None = None  # answers learnt in one pass; a row may hold several
    images: int | None = None  # distinct images
    tokens_per_pass: int | None = None  # image tokens included
    counts_per_pass: Counts | None = None
    sha256: str | None = None  # of rows and pictures (Manifest.content); None = not built yet
    code: str | None = None  # hash of the code that built it
    declared: bool = False  # rows is the recipe's word, nothing was read
    expected: bool = False  # tokens and counts are an estimate, from what the recipe expects of a row
    composed: bool = False  # its pictures are put together of several, anew in each pass
    chosen: str | None = None  # of replayed rows, what decides which they are; see replayed.py
    cut: str = ""  # how many rows are longer than model.max_tokens, where there are any and rows were counted

    @property
    def pictures(self) -> int | None:
        """Distinct pictures; until they are known, one a row."""
        return self.rows if self.images is None else self.images


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model without loading weights: parameters and weight hash of each part."""

    parameters: dict[str, int | None] = field(default_factory=dict)
    learning: dict[str, dict[str, int]] = field(default_factory=dict)  # stage -> part -> parameters that learn
    # stage -> part -> numbers that adapters hold beside the part's own; parts without adapters are left out
    added: dict[str, dict[str, int]] = field(default_factory=dict)
    image_tokens: int | None = None  # per image (or tile)
    shape: ModelShape | None = None
    images: ImageSpec | None = None  # how pictures become inputs
    features: int | None = None  # values that the vision encoder makes of one picture of a fixed size
    weights_sha: dict[str, str] | None = None
    family_code: str | None = None  # hash of the code of a user's own family
    notes: tuple[str, ...] = ()
