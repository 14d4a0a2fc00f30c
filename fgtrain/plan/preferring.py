"""What a stage that learns preferences costs beside its steps: its rows are read once by the model it starts from."""

from fgtrain.counts import Counts
from fgtrain.recipe import Recipe
from fgtrain.recipe.objective_schema import PAIRED, Preference

from .cost import ModelShape, training_work
from .schema import StagePlan


def reference_flops(plan: StagePlan, once: Counts, shape: ModelShape) -> float:
    """Of one forward pass over `once`, what the stage's rows hold, each row once; 0 for another objective."""
    if plan.objective not in PAIRED:
        return 0.0
    work = training_work(shape, {}, encoder_runs=not plan.encoder.cached)
    return work.flops(once.tokens, once.pairs, once.labels, once.image_tokens)


def preferring_note(recipe: Recipe, plan: StagePlan) -> str:
    """One line for people; "" where the stage learns no preferences."""
    if plan.objective not in PAIRED:
        return ""
    how = recipe.stages[plan.name].dpo or Preference()
    rows = [min(data.rows, data.samples) if None not in (data.rows, data.samples) else None for data in plan.data]
    many = "its" if None in rows else f"its {sum(rows):,}"
    return (
        f"Stage {plan.name} prefers answers ({how.variant}, beta {how.beta:g}): {many} pairs are read once by "
        f"{plan.starts_from}, kept on disk, counted in its time; no second model is held"
    )
