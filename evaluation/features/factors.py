"""Scores by how models were trained: which loss, how many images, how large an encoder.

A level's number is the mean over its models, each model the mean over all data sets. Few models differ in far more than
the factor, so that no test is made; how many models stand behind a number is printed beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .models_table import Matrix, ModelScores
from .training_facts import LOSSES, SHARES, trained_as

NO_CONTRAST = "no Con"
NOT_GIVEN = "not given"
# Parameters of the encoder -> level: ViT-B has 86 million, ViT-L 0.3 billion, ViT-G 1 to 2 billion, ViT-6B 6 billion.
SIZES = {1.5e8: "< 150M", 4.5e8: "150M to 450M", 3e9: "450M to 3B", float("inf"): "> 3B"}


@dataclass(frozen=True)
class LevelScore:
    """`models`: their means over data sets, by name; `mean`, `low` and `high` are over these."""

    level: str
    models: dict[str, float]

    @property
    def mean(self) -> float:
        return sum(self.models.values()) / len(self.models)

    @property
    def low(self) -> float:
        return min(self.models.values())

    @property
    def high(self) -> float:
        return max(self.models.values())


@dataclass(frozen=True)
class Factor:
    """`note`: how its levels are to be read."""

    title: str
    levels: tuple[str, ...]
    of: Callable[[ModelScores], tuple[str, ...]]  # a model's levels, of losses several
    note: str


def losses(model: ModelScores) -> tuple[str, ...]:
    facts = trained_as(model.name)
    if facts is None:
        return (NOT_GIVEN,)
    return facts.losses + (() if "Con" in facts.losses else (NO_CONTRAST,))


def images(model: ModelScores) -> tuple[str, ...]:
    facts = trained_as(model.name)
    return (facts.share if facts and facts.share else NOT_GIVEN,)


def encoder_size(model: ModelScores) -> tuple[str, ...]:
    if model.parameters is None:
        return (NOT_GIVEN,)
    return (next(level for end, level in SIZES.items() if model.parameters < end),)


FACTORS = (
    Factor(
        "by loss type",
        (*LOSSES, NO_CONTRAST, NOT_GIVEN),
        losses,
        "A model counts for each of its losses: "
        + ", ".join(f"{short} {name}" for short, name in LOSSES.items())
        + f"; {NO_CONTRAST}: all models without the first.",
    ),
    Factor("by data size", (*SHARES, NOT_GIVEN), images, "Images or image-text pairs that the model was trained on."),
    Factor(
        "by encoder size",
        (*SIZES.values(), NOT_GIVEN),
        encoder_size,
        "Parameters of what was measured, counted as it was loaded.",
    ),
)


def by_factor(matrix: Matrix, factor: Factor) -> list[LevelScore]:
    """The levels that have a model with a number on every data set, in their order."""
    found: dict[str, dict[str, float]] = {}
    for model, mean in zip(matrix.models, matrix.means(), strict=True):
        for level in factor.of(model) if mean is not None else ():
            found.setdefault(level, {})[model.name] = mean
    return [LevelScore(level, found[level]) for level in factor.levels if level in found]


def families(models: Sequence[ModelScores]) -> dict[str, list[str]]:
    """Family -> names of its models from small to large, of families with two sizes or more."""
    found: dict[str, list[ModelScores]] = {}
    for model in models:
        if (facts := trained_as(model.name)) and model.parameters is not None:
            found.setdefault(facts.family, []).append(model)
    ordered = {name: sorted(some, key=lambda one: one.parameters) for name, some in found.items()}
    return {name: [one.name for one in some] for name, some in ordered.items() if len(some) > 1}
