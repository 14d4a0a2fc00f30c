"""Is the final plan that lies in a run's folder still the one that would be made?"""

from fgtrain.errors import UserError
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe import Recipe
from fgtrain.recipe.objective_schema import WITHOUT_TOKENS

from .evaluations import sets_outdated


def prepared(recipe: Recipe, light: Plan) -> bool:
    """`light`: the plan as it can be known now, without the model. Same data, weights, program, devices, questions."""
    path = recipe.run_folder / "plan.json"
    if not path.is_file() or sets_outdated(recipe):
        return False
    try:
        known = read_plan(path)
    except UserError:  # of another version
        return False
    if any(
        stage.provisional or stage.tokens is None for stage in known.stages if stage.objective not in WITHOUT_TOKENS
    ):
        return False
    return _decides(known) == _decides(light)


def _decides(plan: Plan) -> tuple:
    stages = tuple((stage.name, stage.fingerprint, stage.samples, stage.steps, stage.batch) for stage in plan.stages)
    return stages, plan.evaluated, plan.tasks, plan.versions
