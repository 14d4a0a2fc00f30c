"""Plans with all that follows from the model, printed."""

from fgtrain.errors import UserError
from fgtrain.plan import Plan, compare_plans, data_facts, make_plan, print_comparison, print_plan
from fgtrain.recipe import Recipe
from fgtrain.recipe.study import Study

from .model_facts import model_facts


def whole_plan(recipe: Recipe) -> Plan:
    """Every number that can be known before anything is built or loaded."""
    try:
        model = recipe.model_with_paths()
    except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
        model = recipe.model
    facts = model_facts(model, network=recipe.network, stages=recipe.enabled_stages)
    return make_plan(recipe, data_facts(recipe), facts)


def show_plans(study: Study, full: bool) -> None:
    """Print the plan of a recipe, the comparison of two, or a study's; `full`: every run's."""
    plans = {one.recipe.name: whole_plan(one.recipe) for one in study.recipes}
    if study.name is None and len(study.recipes) == 2:
        a, b = study.recipes
        print_comparison(compare_plans(a.recipe, plans[a.recipe.name], b.recipe, plans[b.recipe.name]))
    else:
        for plan in plans.values():
            print_plan(plan)
