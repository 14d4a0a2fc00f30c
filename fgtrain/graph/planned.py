"""A recipe's plan from what lies here, before anything is built or loaded. Imports no torch."""

from fgtrain.plan import Plan, data_facts, light_facts, make_plan
from fgtrain.recipe import Recipe


def planned(recipe: Recipe) -> Plan:
    """Fingerprints, samples, steps as far as they can be known now; fingerprints that hang on data or weights that are
    not here are provisional. The whole plan, with all that follows from the model, is `fgtrain.model.whole_plan`'s."""
    return make_plan(recipe, data_facts(recipe), light_facts(recipe))
