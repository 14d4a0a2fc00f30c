"""What a comparison is asked for, and what it comes to."""

from collections import defaultdict
from dataclasses import dataclass, field

from .findings import Finding
from .open_questions import OpenQuestion
from .picture_hashes import NEAR_BITS
from .training import TrainingSet

Tested = dict[str, tuple[str, str]]  # image path -> (benchmark or source, image as it stands there)


@dataclass(frozen=True)
class Settings:
    """What is looked for. `near_bits`: of 256, that two near-identical pictures may differ by."""

    looks: bool = True  # near-identical images too, not only identical bytes
    near_bits: int = NEAR_BITS
    mirrored: bool = False
    missing_allowed: bool = False  # images that are not there are left out of the comparison


@dataclass
class Outcome:
    """`faults`: what is wrong with image files, one text each. `absent`: folders of data sets that are not there, with
    the number of their images that benchmarks ask about. The counts are of what was compared."""

    findings: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    images: int = 0
    test_images: int = 0
    questions: int = 0
    open_questions: int = 0
    flat: int = 0
    not_there: int = 0
    absent: dict[str, int] = field(default_factory=dict)

    def not_compared(self) -> list[str]:
        """A line for each data set that is not there."""
        return [
            f"{folder} is not there: {count:,} of its pictures that a benchmark asks about are compared with nothing"
            for folder, count in self.absent.items()
        ]


@dataclass
class Scanned:
    """One training set after a first look through its rows."""

    which: TrainingSet
    labels: dict[str, str | None] = field(default_factory=dict)  # image path -> label
    questions: dict[str, tuple[OpenQuestion, float]] = field(default_factory=dict)  # turn -> what it repeats
    found: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))  # image path or turn -> findings
    twins: dict[str, str] = field(default_factory=dict)  # image path -> path of the test image that it is

    @property
    def name(self) -> str:
        return self.which.name
