"""Which pictures of a run are encoded with which checkpoint's encoder. What is decided lies in the plan (`encoder`)."""

from fgtrain.recipe import START, Recipe

from .schema import Plan


def encoder_origin(recipe: Recipe, stage: str) -> str:
    """The checkpoint whose encoder stage `stage` starts with: of the last stage before it that learns it, or START."""
    origin = START
    for name, one in recipe.enabled_stages.items():
        if name == stage:
            break
        if "vision_encoder" in one.train:
            origin = name
    return origin


def encoded_at(recipe: Recipe, plan: Plan) -> dict[str, list[str]]:
    """Origin -> the stages that read kept outputs of its encoder."""
    found: dict[str, list[str]] = {}
    for stage in plan.stages:
        if stage.encoder.cached and stage.objective == "answers":
            found.setdefault(encoder_origin(recipe, stage.name), []).append(stage.name)
    return found


def encoder_learns(recipe: Recipe) -> bool:
    """Does any stage change the encoder? Kept outputs serve questions only where none does."""
    return any("vision_encoder" in stage.train for stage in recipe.enabled_stages.values())
