"""A stage without training: the weights of checkpoints of the run, averaged.

Weight-space interpolation as in WiSE-FT (arXiv 2109.01903) with one earlier checkpoint, a model soup (arXiv 2203.05482)
with several, for all parts alike or for each by itself.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from .keys import Fraction01, Section, StageName
from .model_schema import PARTS, Part


def _of_every_part(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(
            "no share. Write a number from 0 to 1, one list of different ones, or shares by part: {language_model: 0.5}"
        )
    return dict.fromkeys(PARTS, value)


# A bare number is the share of every part.
Shares = Annotated[dict[Part, Fraction01], BeforeValidator(_of_every_part)]


class OtherRun(Section):
    """A checkpoint of another run."""

    recipe: dict[str, Any]  # the run's, resolved
    stage: StageName  # whose checkpoint it is


class MergeStage(Section):
    """What is averaged. The checkpoint that the stage starts from has what `merge` leaves of 1, in each part."""

    enabled: bool = True  # false: the stage is passed over
    after: StageName | None = None  # the stage that it starts from; null = the one before
    # start or an earlier stage -> its share, part -> share, or several shares: a stage for each, see sweep.py
    merge: Annotated[dict[StageName, Shares], Field(min_length=1)]

    # Name -> a checkpoint of another run that `merge` names beside the run's own: what a study's soups write (soup.py)
    runs: dict[StageName, OtherRun] = Field(default_factory=dict)

    objective: ClassVar[str] = "merge"
    trained_by: ClassVar[str] = "merge"
    train: ClassVar[dict] = {}
    mix: ClassVar[dict] = {}
    steps: ClassVar[None] = None
    rollouts: ClassVar[None] = None

    def left(self, part: str) -> float:
        """The share of the checkpoint that the stage starts from."""
        return 1.0 - sum(shares.get(part, 0.0) for shares in self.merge.values())
