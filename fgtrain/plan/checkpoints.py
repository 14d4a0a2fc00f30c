"""Which checkpoints are measured and judged beside being asked, and whose features they really have."""

from fgtrain.recipe import START, Recipe
from fgtrain.recipe.evaluation_schema import Features, Judge

from .lineage import origin

# Part that is measured -> the parts of the model that decide its features.
DECIDING = {"encoder": ("vision_encoder",), "projector": ("vision_encoder", "projector")}


def features_at(recipe: Recipe) -> tuple[str, ...]:
    """The checkpoints whose features are measured, in the order of training."""
    return _checkpoints(recipe, recipe.evaluation.features)


def judged_at(recipe: Recipe) -> tuple[str, ...]:
    """The checkpoints whose open-world answers a model judges, in the order of training."""
    return _checkpoints(recipe, recipe.evaluation.judge)


def recovered_at(recipe: Recipe) -> tuple[str, ...]:
    """The stages from whose checkpoints it is tried how much comes back, in the order of training."""
    recovery = recipe.evaluation.recovery
    return tuple(name for name in recipe.enabled_stages if recovery is not None and name in recovery.at)


def features_origin(recipe: Recipe, checkpoint: str, part: str) -> str:
    """The last checkpoint on the way to this one that has changed these features, or START."""
    return origin(recipe, checkpoint, DECIDING[part])


def _checkpoints(recipe: Recipe, section: Features | Judge | None) -> tuple[str, ...]:
    if section is None:
        return ()
    chosen = recipe.evaluation.at if section.at is None else section.at
    return tuple(name for name in (START, *recipe.enabled_stages) if name in chosen)
