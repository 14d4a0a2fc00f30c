"""Which checkpoints' features are measured, and which checkpoint they are really those of."""

from fgtrain.recipe import START, Recipe

# Part that is measured -> the parts of the model that decide its features.
DECIDING = {"encoder": ("vision_encoder",), "projector": ("vision_encoder", "projector")}


def features_at(recipe: Recipe) -> tuple[str, ...]:
    """The checkpoints whose features are measured, in the order of training."""
    features = recipe.evaluation.features
    if features is None:
        return ()
    chosen = recipe.evaluation.at if features.at is None else features.at
    return tuple(name for name in (START, *recipe.enabled_stages) if name in chosen)


def features_origin(recipe: Recipe, checkpoint: str, part: str) -> str:
    """The last stage up to the checkpoint that has changed these features, or START."""
    origin = START
    for name, stage in recipe.enabled_stages.items():
        if checkpoint == START:
            break
        if not set(DECIDING[part]).isdisjoint(stage.train):
            origin = name
        if name == checkpoint:
            break
    return origin


def judged_at(recipe: Recipe) -> tuple[str, ...]:
    """The checkpoints whose open-world answers a model judges, in the order of training."""
    judge = recipe.evaluation.judge
    if judge is None:
        return ()
    chosen = recipe.evaluation.at if judge.at is None else judge.at
    return tuple(name for name in (START, *recipe.enabled_stages) if name in chosen)
