"""Which pictures of a run are encoded with which checkpoint's encoder. What is decided lies in the plan (`encoder`)."""

from fgtrain.recipe import Recipe
from fgtrain.recipe.objective_schema import WITHOUT_TOKENS

from .lineage import origin, starts_from
from .schema import Plan


def encoder_origin(recipe: Recipe, stage: str) -> str:
    """The checkpoint whose encoder stage `stage` starts with: the last before it that changed it, or START."""
    return origin(recipe, starts_from(recipe, stage), ("vision_encoder",))


def encoded_at(recipe: Recipe, plan: Plan) -> dict[str, list[str]]:
    """Origin -> the stages that read kept outputs of its encoder."""
    found: dict[str, list[str]] = {}
    for stage in plan.stages:
        if stage.encoder.cached and stage.objective not in WITHOUT_TOKENS:
            found.setdefault(encoder_origin(recipe, stage.name), []).append(stage.name)
    return found


def encoder_learns(recipe: Recipe) -> bool:
    """Does any stage change the encoder? Kept outputs serve questions only where none does."""
    return any("vision_encoder" in stage.train for stage in recipe.enabled_stages.values())
