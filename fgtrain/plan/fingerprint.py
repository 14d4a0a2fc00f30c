"""A stage's fingerprint: a hash over all that decides its result. Equal fingerprints are equal work, done once.

The program is part of it: what trains a stage decides its weights as much as the recipe does (`code`, see versions.py).

Not in it: where things lie (roots), how the work is spread (devices, packing, workers), when it is saved or evaluated.
In it, though it looks like machinery: precision and kernels other than torch's, which change the numbers, and the
stage's name, which is part of the address of every draw.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from fgtrain.recipe import PARTS, Recipe, Stage
from fgtrain.recipe.objective_schema import GRPO, KEEP, SELF_DISTILLATION, WITHOUT_TOKENS, additions

from .arithmetic import stage_samples
from .asked_between import ASKED
from .facts import DataFacts, ModelFacts
from .kernels import layer_kernels
from .lineage import origin, shares_of

NOT_IN_STAGE = {"enabled", "after", "checkpoint_every_steps"}
ASKED_BETWEEN = {"every_steps", "subset", "tasks", "groups"}


def model_fingerprint(recipe: Recipe, facts: ModelFacts) -> str:
    """What the first stage starts from: parts as named, their weights, the image and text settings, precision."""
    return _hash(
        {
            "model": recipe.model.model_dump(mode="json"),
            "weights": facts.weights_sha,
            "family": facts.family_code,
            "precision": recipe.devices.precision,
        }
    )


def stage_fingerprint(
    recipe: Recipe,
    name: str,
    before: str,
    facts: dict[str, DataFacts],
    code: str | None = None,
    kept_to: str | None = None,
) -> str:
    """The fingerprint of stage `name`, which starts from what has the fingerprint `before` and is trained by `code`.

    Without `code`: of what goes into the stage, whatever program trains it. `kept_to`: of the checkpoint that it is
    held near to, where that is another.
    """
    stage = recipe.stages[name]
    chosen = stage.model_dump(mode="json", exclude=NOT_IN_STAGE)
    if stage.steps is not None and _as_its_passes(stage, facts):
        del chosen["steps"]
    if not isinstance(stage.augment, str):
        chosen["augment"] = stage.augmented or "none"
    chosen["auxiliary"] = {name: weight for name, weight in additions(stage) if name != KEEP} or None
    chosen["keep"] = _kept(stage, kept_to)
    chosen["options"] = stage.options or None
    for objective in (GRPO, SELF_DISTILLATION):
        chosen[objective] = stage.rollouts.model_dump(mode="json") if stage.objective == objective else None
    chosen["mix"] = {
        data_set: {"passes": float(passes), "data": data_identity(recipe, data_set, facts)}
        for data_set, passes in stage.mix.items()
    }
    if stage.watched:  # the answers to these questions decide what comes out
        chosen["asked"] = recipe.evaluation.model_dump(mode="json", include=ASKED_BETWEEN)
        chosen["asked"]["questions"] = facts[ASKED].sha256 if ASKED in facts else None
    looked_at = [data_set for data_set in stage.reads if data_set not in stage.mix]
    chosen["looked_at"] = {data_set: data_identity(recipe, data_set, facts) for data_set in looked_at} or None
    kernels = layer_kernels(recipe.devices) if stage.objective not in WITHOUT_TOKENS else "torch"
    chosen["layer_kernels"] = None if kernels == "torch" else kernels
    return _hash({"before": before, "seed": recipe.seed, "stage": name, "chosen": chosen, "code": code})


def merge_fingerprint(recipe: Recipe, name: str, before: Mapping[str, str], code: str | None = None) -> str:
    """The fingerprint of stage `name`, which averages checkpoints. `before`: checkpoint -> its fingerprint.

    Whatever they are called: two ways of writing the same average are the same work.
    """
    shares: dict[str, dict[str, float]] = {part: {} for part in PARTS}
    for part, found in shares.items():
        for source, share in shares_of(recipe, name, part).items():
            weights = before[origin(recipe, source, (part,))]
            found[weights] = round(found.get(weights, 0.0) + share, 9)
    return _hash({"merge": shares, "code": code})


def _kept(stage: Stage, to: str | None) -> dict[str, Any] | None:
    if stage.keep is None or not stage.keep.kl:
        return None
    on = sorted(stage.keep.on) if stage.keep.on is not None and set(stage.keep.on) != set(stage.mix) else None
    return {"kl": stage.keep.kl, "to": to, "on": on}


def best_fingerprint(before: str) -> str:
    """The fingerprint of a stage that takes the best checkpoint of the one with the fingerprint `before`."""
    return _hash({"best_of": before})


def _as_its_passes(stage: Stage, facts: dict[str, DataFacts]) -> bool:
    """Does the stage's `steps` say what its passes say anyway?"""
    rows = {name: facts[name].rows for name in stage.mix if name in facts}
    if len(rows) < len(stage.mix) or None in rows.values():
        return False
    scaled, plain = (stage_samples(stage.mix, rows, steps, stage.global_batch_size) for steps in (stage.steps, None))
    return scaled == plain


def data_identity(recipe: Recipe, name: str, facts: dict[str, DataFacts]) -> Any:
    """The hash of the rows, or, before they are built, how they would be."""
    if (known := facts.get(name)) is not None and known.sha256 is not None:
        return known.sha256
    return recipe.data[name].model_dump(mode="json", exclude={"expected", "max_cut_fraction", "images_in"})


def _hash(value: Any) -> str:
    # Without nulls, a key that a later version adds with null as default leaves fingerprints as they are.
    text = json.dumps(_without_nulls(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value
