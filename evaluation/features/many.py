"""Many models on the same data sets, one after the other; what goes wrong with one ends nothing but that one."""

import gc
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from data_builders.shared.errors import UserError, told
from data_builders.shared.files import atomic_write
from data_builders.shared.terminal import say

from ..protocols import Featurizer
from ..scoring.score_files import TaskScore
from .cache import FeatureCache
from .labelled import Labelled
from .measure_sets import Measuring
from .resume import measure_what_is_missing

LONGEST = 100  # letters of a folder's name
TRACE = "error.txt"


@dataclass
class Outcome:
    """What became of one model: its scores by task; `error`: why some or all are missing, else empty."""

    name: str
    folder: Path
    scores: dict[str, TaskScore] = field(default_factory=dict)
    error: str = ""


def measure_models(
    models: Sequence[str],
    load: Callable[[str, str], Featurizer],
    sets: Sequence[Labelled],
    chosen: Measuring,
    cache: Path,
) -> list[Outcome]:
    """Each model's scores in <out>/NAME/features.json, in the order asked for; `load`: (model, name) -> featurizer.

    A model that is measured already is loaded (its weights decide what it is) and not measured again. An error that is
    not the user's leaves its traceback in <out>/NAME/error.txt. UserError: two models would have one name.
    """
    outcomes = [Outcome(name, chosen.out / folder_name(name)) for name in model_names(models)]
    for number, (model, one) in enumerate(zip(models, outcomes, strict=True), 1):
        say(f"model {number} of {len(models)}: {one.name}")
        trace = one.folder / TRACE
        trace.unlink(missing_ok=True)
        try:
            features = FeatureCache(cache, load(model, one.name), chosen.batch_size)
            one.scores = measure_what_is_missing(features, sets, replace(chosen, out=one.folder))
        except Exception as error:  # whatever it is, the other models can still be measured
            one.error = told(error) or f"{type(error).__name__}: {error}".split("\n")[0] + f" ({trace})"
            if told(error) is None:
                with atomic_write(trace) as file:
                    file.write(traceback.format_exc())
            say(f"{one.name}: {one.error}")
        features = None
        _free()
    return outcomes


def model_names(models: Sequence[str]) -> list[str]:
    """How tables call them: the preset, or the folder or hub id as it was typed. UserError: two are called the same."""
    from .presets import split_preset

    names = [one.partition("=")[0] if split_preset(one) else one.rstrip("/") for one in models]
    for kind in (names, [folder_name(name) for name in names]):
        if doubled := [name for name in kind if kind.count(name) > 1]:
            raise UserError(
                f"--models names {doubled[0]!r} twice; measure the other one by itself, with --name and --out"
            )
    return names


def folder_name(model: str) -> str:
    """The model's name as one folder's."""
    name = re.sub(r"[^\w.=+-]+", "_", model).strip("._") or "model"
    return name if len(name) <= LONGEST else f"{blake2b(name.encode(), digest_size=4).hexdigest()}_{name[-LONGEST:]}"


def _free() -> None:
    """The next model needs the memory of the last."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
