"""Facts of the models that recipes/ names, kept with the program: a plan needs neither their folders nor torch.

known/facts.json is made from known/models.yaml by fgtrain.model.known.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fgtrain.images import spec_from_dict
from fgtrain.recipe import Model, Stage, TrainPart

from .cost import ModelShape
from .facts import ModelFacts

FOLDER = Path(__file__).parent / "known"
FACTS, MODELS = FOLDER / "facts.json", FOLDER / "models.yaml"
NAMED = ("checkpoint", "vision_encoder", "language_model")
DECIDES = (*NAMED, "projector", "projector_width", "vision_layer", "image_size", "image_tokens", "max_tiles")
DECIDES += ("max_pixels", "fit")


@cache
def kept_models() -> dict[str, dict[str, Any]]:
    """Hub id, or the end of a path -> {config, tokens, images} as kept."""
    return yaml.safe_load(MODELS.read_text(encoding="utf-8"))


def kept_name(value: str | None) -> str | None:
    """The name under which the values of a model that is not on this machine are kept, or None."""
    if value is None or Path(value).expanduser().is_dir():
        return None
    return next((name for name in kept_models() if value == name or value.endswith(f"/{name}")), None)


def known_facts(model: Model, stages: Mapping[str, Stage]) -> ModelFacts | None:
    """Facts of a model none of whose folders is here, or None where nothing is kept of it. No weights' hashes."""
    key = model_key(model)
    entry = None if key is None else _entries().get(json.dumps(key, sort_keys=True))
    if entry is None:
        return None
    known = {(one["part"], json.dumps(one["how"], sort_keys=True)): one for one in entry["learning"]}

    def counts(key: str) -> dict[str, dict[str, int]]:
        return {
            name: {
                part: one[key]
                for part, how in stage.train.items()
                if key in (one := known.get((part, json.dumps(how_key(how), sort_keys=True)), {}))
            }
            for name, stage in stages.items()
        }

    return ModelFacts(
        parameters=entry["parameters"],
        learning=counts("parameters"),
        added=counts("added"),
        image_tokens=entry["image_tokens"],
        shape=ModelShape(**entry["shape"]),
        images=spec_from_dict(entry["images"]),
        features=entry["features"],
        notes=tuple(not_here(value) for name in NAMED if (value := getattr(model, name)) is not None),
    )


def not_here(value: str) -> str:
    """The note of a plan that goes by kept values."""
    return f"{value} is not on this machine; its numbers follow from kept values of its config"


def model_key(model: Model) -> dict[str, Any] | None:
    """What decides a model's facts, or None where a part is not one of the kept models."""
    values = {name: value for name in DECIDES if (value := getattr(model, name)) is not None}
    names = {name: kept_name(values[name]) for name in NAMED if name in values}
    return None if None in names.values() else values | names


def how_key(how: TrainPart) -> dict[str, Any]:
    """What of a part's way to learn decides how many of its parameters do."""
    unimportant = {"lr": True, "lora": {"alpha", "dropout", "init_on", "intruders"}}
    return how.model_dump(mode="json", exclude=unimportant, exclude_none=True)


def entry_of(model: Model, facts: ModelFacts, learning: list[tuple[str, TrainPart, int, int]]) -> dict[str, Any]:
    """A model's facts as the file keeps them. `learning`: (part, how it learns, parameters that do, and that are
    added)."""
    return {
        "model": model_key(model),
        "parameters": facts.parameters,
        "image_tokens": facts.image_tokens,
        "features": facts.features,
        "images": facts.images.to_dict(),
        "shape": asdict(facts.shape),
        "learning": [
            {"part": part, "how": how_key(how), "parameters": count} | ({"added": added} if added else {})
            for part, how, count, added in learning
        ],
    }


@cache
def _entries() -> dict[str, dict[str, Any]]:
    entries = json.loads(FACTS.read_text(encoding="utf-8"))
    return {json.dumps(entry["model"], sort_keys=True): entry for entry in entries}
