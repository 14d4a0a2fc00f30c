"""Measured features of checkpoints: what decides them, where they lie in the store, and their figures.

<runs_root>/.stages/<fingerprint>/features/<identity>/features.json   of one part, for every run that measures it so
<run>/features/<checkpoint>/<part>                                    link to it

An encoder that no stage up to a checkpoint has learnt is measured once, as the checkpoint's that it comes from.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_builders.shared.files import read_json
from data_builders.sources import load_source
from evaluation.scoring.score_files import TaskScore
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.plan.checkpoints import features_at, features_origin
from fgtrain.plan.versions import measuring_code
from fgtrain.recipe import START, Recipe

from .evaluations import stores
from .identity import identity_of
from .metrics import offsets
from .watched import trained_samples, trained_steps

FOLDER, FILE = "features", "features.json"
UNDECISIVE = {"at", "parts", "sources", "batch_size"}  # of the recipe's section; parts and sources count by themselves


def source_roots(recipe: Recipe) -> tuple[tuple[str, Path], ...]:
    """(layout, folder) of each data set."""
    place = "evaluation.features.sources"
    return tuple(
        (one.source, recipe.path(one.root, f"{place}.{index}.root"))
        for index, one in enumerate(recipe.evaluation.features.sources)
    )


@lru_cache(maxsize=64)
def _listed(source: str, root: Path) -> str:
    """Hash of which pictures a data set has with which names, once a process. UserError where it is not there."""
    rows = load_source(source, root, look_for_images=False).images
    text = json.dumps([[row.image, row.category, row.split, row.parents] for row in rows])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def features_folder(recipe: Recipe, store: Path, part: str) -> Path:
    """Where the measured features of a part of the checkpoint in `store` lie, whoever has measured them.

    UserError when a data set is not there.
    """
    sources = []
    for index, (source, root) in enumerate(source_roots(recipe)):
        try:
            sources.append([source, root.name, _listed(source, root)])
        except UserError as error:
            raise UserError(f"evaluation.features.sources.{index}: {error}") from None
    decides = {
        "part": part,
        "sources": sources,
        "how": recipe.evaluation.features.model_dump(mode="json", exclude=UNDECISIVE),
        "code": measuring_code().hash,
    }
    key = identity_of(decides)
    return store / FOLDER / key


def measured(recipe: Recipe, store: Path, part: str) -> bool:
    """Was just this measured? No, where the data sets are yet to be built."""
    try:
        return (features_folder(recipe, store, part) / FILE).is_file()
    except UserError:
        return False


def features_folders(recipe: Recipe, plan: Plan, start: str) -> dict[tuple[str, str], Path]:
    """(checkpoint, part) -> where its measured features lie, or will lie, in the order of training.

    `start`: the untrained model's fingerprint. UserError when a data set is not there.
    """
    places = stores(recipe, plan, start)
    features = recipe.evaluation.features
    return {
        (name, part): features_folder(recipe, places[features_origin(recipe, name, part)], part)
        for name in features_at(recipe)
        for part in features.parts
    }


def feature_rows(recipe: Recipe, plan: Plan, start: str) -> Iterator[dict[str, Any]]:
    """Rows of metrics.jsonl: every number that is measured by now. UserError when a data set is not there."""
    before = offsets(plan)
    for (name, part), folder in features_folders(recipe, plan, start).items():
        if not (folder / FILE).is_file():
            continue
        stage = None if name == START else plan.stage(name)
        place = {
            "kind": "features",
            "stage": None if stage is None else name,
            "step": 0 if stage is None else trained_steps(stage) or 0,
            "samples_seen": 0 if stage is None else before[name] + (trained_samples(stage) or 0),
            "part": part,
        }
        for task, values in read_json(folder / FILE)["tasks"].items():
            for score in TaskScore.from_json(values).scores:
                numbers = {key: getattr(score, key) for key in ("rule", "metric", "value", "unit", "low", "high", "n")}
                yield {**place, "task": task, **numbers}
