"""A recipe's plan from what lies here, before anything is built or loaded."""

from fgtrain.errors import UserError
from fgtrain.model import model_facts
from fgtrain.plan import Plan, data_facts, make_plan
from fgtrain.recipe import Recipe


def planned(recipe: Recipe) -> Plan:
    """Every number that can be known now; what cannot is None, and the fingerprints that hang on it provisional."""
    try:
        model = recipe.model_with_paths()
    except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
        model = recipe.model
    facts = model_facts(model, network=recipe.network, stages=recipe.enabled_stages, memo=recipe.file_memo)
    return make_plan(recipe, data_facts(recipe), facts)
