"""Plans with all that follows from the model."""

import json
from functools import lru_cache

from fgtrain.errors import UserError
from fgtrain.plan import Plan, data_facts, make_plan
from fgtrain.plan.schema import ModelFacts
from fgtrain.recipe import Recipe
from fgtrain.recipe.schema import Model

from .model_facts import model_facts


def whole_plan(recipe: Recipe) -> Plan:
    """Every number that can be known before anything is built or loaded. UserError as `make_plan` raises it."""
    try:
        model = recipe.model_with_paths()
    except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
        model = recipe.model
    return make_plan(recipe, data_facts(recipe), _facts(_Asked(recipe, model)))


class _Asked:
    """What facts are asked of, compared by what decides them: a study's runs share few models."""

    def __init__(self, recipe: Recipe, model: Model) -> None:
        self.model, self.network = model, recipe.network
        self.stages, self.memo = recipe.enabled_stages, recipe.file_memo
        learning = {
            name: {part: how.model_dump(mode="json", exclude={"lr"}) for part, how in stage.train.items()}
            for name, stage in self.stages.items()
        }
        self.key = json.dumps([model.model_dump(mode="json"), self.network, learning, str(self.memo)])

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.key == other.key


@lru_cache(maxsize=64)
def _facts(asked: _Asked) -> ModelFacts:
    return model_facts(asked.model, network=asked.network, stages=asked.stages, memo=asked.memo)
