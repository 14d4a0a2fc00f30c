"""Where kept outputs stand for a frozen vision encoder, what they take on disk, and what making them costs. Pure.

Only here is it decided whether a stage uses the cache: the run and its plan ask the same function.
"""

from fgtrain.images import Square
from fgtrain.recipe import Recipe, Stage

from .arithmetic import BYTES_FP32, stage_passes, views_of
from .facts import DataFacts, ModelFacts
from .schema import EncoderPlan

GIB = 2**30


def uses_encoder_cache(recipe: Recipe, name: str, model: ModelFacts, data: dict[str, DataFacts]) -> bool:
    """Does stage `name` read kept outputs of its encoder instead of running it?"""
    return encoder_plan(recipe, name, model, data).cached


def evaluation_uses_encoder_cache(recipe: Recipe, model: ModelFacts, pictures: int | None) -> bool:
    """Do questions about so many distinct pictures read kept outputs? Only if no stage changes the encoder, and it
    is asked here: a server encodes by itself.
    """
    if recipe.evaluation.engine != "own":
        return False
    learns = any("vision_encoder" in stage.train for stage in recipe.enabled_stages.values())
    return not learns and not _unfit(recipe, model) and not _too_large(recipe, _bytes(model, pictures))


def encoder_plan(recipe: Recipe, name: str, model: ModelFacts, data: dict[str, DataFacts]) -> EncoderPlan:
    """The decision for a stage, with the reason where it is no, and the pictures (each view counted) that it sees."""
    stage = recipe.stages[name]
    rows = {known: data.get(known, DataFacts()).rows for known in stage.mix}
    passes = stage_passes(stage.mix, rows, stage.steps, stage.global_batch_size)
    views = {known: _views(stage, known, passes[known], data.get(known, DataFacts())) for known in stage.mix}
    total = None if None in views.values() else sum(views.values())
    size = _bytes(model, total)
    why = _changing(stage) or _unfit(recipe, model) or _too_large(recipe, size)
    return EncoderPlan(cached=not why, why=why, views=views, bytes=size)


def _changing(stage: Stage) -> str:
    if "vision_encoder" in stage.train:
        return "the encoder learns"
    if not stage.pictures_fixed:
        return "pictures are augmented anew in each pass"
    return ""


def _unfit(recipe: Recipe, model: ModelFacts) -> str:
    if not recipe.encoder_cache.enabled:
        return "encoder_cache.enabled is false"
    if model.images is not None and not isinstance(model.images, Square):
        return "what pictures become differs in size"
    return ""


def _too_large(recipe: Recipe, size: int | None) -> str:
    most = recipe.encoder_cache.max_gib
    if size is None or size <= most * GIB:
        return ""
    return f"its pictures would take {size / GIB:,.0f} GiB, more than encoder_cache.max_gib: {most:g}"


def _bytes(model: ModelFacts, pictures: int | None) -> int | None:
    return None if pictures is None or model.features is None else pictures * model.features * BYTES_FP32


def _views(stage: Stage, name: str, passes: float | None, facts: DataFacts) -> int | None:
    """At most so many different pictures of a data set are seen. A mosaic is another picture in each pass."""
    pictures = facts.rows if facts.composed else facts.pictures
    if pictures is None or passes is None:
        return None
    fixed = (stage.augment_views or 1) if name in stage.augmented else 1
    return views_of(passes, pictures, None if facts.composed else fixed)
