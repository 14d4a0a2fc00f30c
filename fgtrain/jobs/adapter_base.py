"""What the adapters of a stage stand on: the model that it starts from."""

from fgtrain.model import LVLM, Base, weights_hash
from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe

from .inputs import stage_before


def adapter_base(recipe: Recipe, plan: Plan, stage: str, lvlm: LVLM) -> Base | str | None:
    """What the stage's adapters stand on; None where it has none, a reason where it lies on no disk."""
    if not any(how.adapter is not None for how in recipe.stages[stage].train.values()):
        return None
    before = stage_before(plan, stage)
    if before != START:
        folder = recipe.stage_store(plan.stage(before).fingerprint) / "checkpoint"
        return Base(str(folder.resolve()), weights_hash(lvlm))
    if recipe.model.checkpoint is None:
        return "its stage began with a model composed of parts, which is kept nowhere as a whole"
    return Base(recipe.model.checkpoint, weights_hash(lvlm))
