"""Plans with all that follows from the model."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fgtrain.errors import UserError
from fgtrain.plan import Peak, Plan, data_facts, light_facts, make_plan
from fgtrain.plan.evaluation import Asked
from fgtrain.plan.facts import ModelFacts
from fgtrain.plan.known_facts import NAMED
from fgtrain.recipe import Recipe
from fgtrain.recipe.model_schema import Model

from .build import outline_model
from .model_facts import model_facts
from .sources import Source


def whole_plan(recipe: Recipe, peak: Peak | None = None, asked: dict[str, Asked] | None = None) -> Plan:
    """Every number that can be known before anything is built or loaded. `peak`, `asked` as in `make_plan`, UserError
    too."""
    light = light_facts(recipe)
    if light.shape is not None:
        made = make_plan(recipe, data_facts(recipe), light, peak=peak, asked=asked)
        if not any(part.trainable is None for stage in made.stages for part in stage.parts):
            return made
    try:
        model = recipe.model_with_paths()
    except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
        model = recipe.model
    facts = replace(_facts(_Asked(recipe, model)), weights_sha=light.weights_sha)
    return make_plan(recipe, data_facts(recipe), facts, peak=peak, asked=asked)


def refuse_folders(model: Model, network: bool) -> None:
    """UserError for what a run would refuse of the folders that the model names. What is elsewhere is not known."""
    named = {part: value for part in NAMED if (value := getattr(model, part)) is not None}
    here = {part: value for part, value in named.items() if Path(value).expanduser().is_dir()}
    if here == named:
        outline_model(model, network=network, seed=0)
        return
    for part, value in here.items():
        source = Source(f"model.{part}", value, network)
        source.config()
        if part not in model.from_scratch:
            source.refuse_missing_weights()


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
    refuse_folders(asked.model, asked.network)
    return model_facts(asked.model, network=asked.network, stages=asked.stages, memo=asked.memo)
