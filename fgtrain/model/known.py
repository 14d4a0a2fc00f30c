"""Makes the facts that plans go by where a model is not on the machine.

python -m fgtrain.model.known [--write]   compares fgtrain/plan/known/facts.json with what follows from models.yaml
                                          for all recipes in recipes/, or writes it
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_builders.shared.terminal import say
from fgtrain.plan.known_facts import FACTS, MODELS, entry_of, how_key, model_key
from fgtrain.recipe import Model, Recipe, Stage, TrainPart, load_recipe, load_study
from fgtrain.shipped import shipped_recipes

from .model_facts import model_facts


def entries(recipes: Iterable[Recipe]) -> list[dict[str, Any]]:
    """What facts.json holds for these recipes: an entry a model, with all ways in which their stages narrow parts."""
    models: dict[str, tuple[Model, dict[str, tuple[str, TrainPart]]]] = {}
    for recipe in recipes:
        if (key := model_key(recipe.model)) is None:
            continue
        _, ways = models.setdefault(json.dumps(key, sort_keys=True), (recipe.model, {}))
        chosen = [one for stage in recipe.enabled_stages.values() for one in stage.train.items()]
        # Of an encoder not all parameters can learn, so even the whole of it has a count of its own.
        for part, how in [("vision_encoder", TrainPart(lr=1.0)), *chosen]:
            ways.setdefault(json.dumps([part, how_key(how)]), (part, how))
    made = []
    for model, ways in models.values():
        stages = {text: _stage({part: how}) for text, (part, how) in ways.items()}
        facts = model_facts(model, network=False, stages=stages)
        counted = [
            (part, how, facts.learning[text][part], facts.added[text].get(part, 0))
            for text, (part, how) in ways.items()
        ]
        narrowed = [one for one in counted if one[2] != facts.parameters[one[0]]]
        made.append(entry_of(model, facts, narrowed))
    return made


def _stage(train: dict[str, TrainPart]) -> Stage:
    return Stage(train=train, mix={"any": 1.0}, global_batch_size=1)


def all_recipes() -> list[Recipe]:
    """All that come with the program, those of the studies included."""
    return [recipe for path in shipped_recipes().values() for recipe in _recipes(path)]


def _recipes(path: Path) -> list[Recipe]:
    if path.parent.name == "studies":
        return [arm.recipe for arm in load_study([str(path)]).recipes]
    return [load_recipe(path)]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fgtrain.model.known", description=__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args(words).write
    made = entries(all_recipes())
    text = json.dumps(made, indent=1) + "\n"
    if write:
        FACTS.write_text(text, encoding="utf-8")
        say(f"{FACTS}: {len(made)} models")
        return 0
    equal = FACTS.read_text(encoding="utf-8") == text
    say(f"{FACTS} {'is' if equal else 'is not'} what follows from {MODELS}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
