"""Plans with all that follows from the model."""

from functools import lru_cache

from fgtrain.errors import UserError
from fgtrain.plan import Plan, data_facts, make_plan
from fgtrain.plan.schema import ModelFacts
from fgtrain.recipe import Recipe
from fgtrain.recipe.schema import Model, Stage

from .model_facts import model_facts


def whole_plan(recipe: Recipe) -> Plan:
    """Every number that can be known before anything is built or loaded. UserError as `make_plan` raises it."""
    try:
        model = recipe.model_with_paths()
    except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
        model = recipe.model
    stages = {name: stage.model_dump_json(include={"train"}) for name, stage in recipe.enabled_stages.items()}
    key = (model.model_dump_json(), recipe.network, tuple(stages.items()))
    return make_plan(recipe, data_facts(recipe), _facts(_Asked(key, model, recipe.network, recipe.enabled_stages)))


class _Asked:
    """What facts are asked of, compared by its text: a study's runs share few models."""

    def __init__(self, key: tuple, model: Model, network: bool, stages: dict[str, Stage]) -> None:
        self.key, self.model, self.network, self.stages = key, model, network, stages

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.key == other.key


@lru_cache(maxsize=64)
def _facts(asked: _Asked) -> ModelFacts:
    return model_facts(asked.model, network=asked.network, stages=asked.stages)
