"""From what a stage's recipe names to its loss."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fgtrain.data.checks import rows_identity
from fgtrain.data.datamodule import StageData
from fgtrain.data.dataset import rows_once
from fgtrain.data.loader import MicroBatchLoader
from fgtrain.data.rows import Rows
from fgtrain.model import LVLM, weights_hash
from fgtrain.plan import Plan, StagePlan
from fgtrain.plan.lineage import kept_to
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, Stage
from fgtrain.recipe.objective_schema import GRPO, OWN, SELF_DISTILLATION, Preference, additions

from .part import LossPart
from .stage_loss import StageLoss

if TYPE_CHECKING:
    from .demonstrations import Demonstrations


@dataclass(frozen=True)
class Making:
    """What is at hand before a stage begins, on every rank. `lvlm`: the model as the stage starts from it."""

    recipe: Recipe
    plan: Plan
    planned: StagePlan
    lvlm: LVLM
    data: StageData
    group: Group
    model_at: Callable[[str], LVLM]  # of a checkpoint of the run, computed as `lvlm` is

    @property
    def stage(self) -> Stage:
        return self.recipe.stages[self.planned.name]


def _answers(making: Making) -> LossPart:
    from .answers import Answers

    return Answers()


def _supcon(making: Making) -> LossPart:
    from .supcon import SupCon, classes_of

    return SupCon(classes_of(making.data.rows))


def _patch_align(making: Making) -> LossPart:
    from .patch_align import PatchAlign, refuse_other_tokens

    refuse_other_tokens(making.lvlm, f"stages.{making.planned.name}.auxiliary.patch_align")
    return PatchAlign()


def _keep(making: Making) -> LossPart:
    from .keep import EYES, Keep, frozen_start

    stage, keep = making.stage, making.stage.keep
    if (other := kept_to(making.recipe, making.planned.name)) != making.planned.starts_from:
        return Keep(making.model_at(other), keep.on)
    return Keep(frozen_start(making.lvlm, stage.train), keep.on, same_eyes=EYES.isdisjoint(stage.train))


def refuse_undrawn(recipe: Recipe, name: str, data: StageData) -> None:
    """UserError where a stage draws answers, and its rows (those that are there) cannot be asked or rewarded so."""
    objective = recipe.stages[name].objective
    if objective == GRPO:
        from .rewarded_rows import reward_of
        from .rollout import check_rows

        check_rows(name, data.rows, objective)
        reward_of(recipe, recipe.stages[name])
    elif objective == SELF_DISTILLATION:
        _demonstrations(recipe, name, data).check()


def _demonstrations(recipe: Recipe, name: str, data: StageData) -> "Demonstrations":
    from .demonstrations import Demonstrations

    stage = recipe.stages[name]
    of = stage.context
    context = None if of is None else Rows(recipe.data_folder(of), data.cache / "rows")
    return Demonstrations(stage.rollouts.prompt, data.maker, of, context)


def _grpo(making: Making) -> LossPart:
    from .grpo import Grpo
    from .keep import frozen_start
    from .rewarded_rows import reward_of

    stage, settings = making.stage, making.stage.rollouts
    making.group.agree(lambda: refuse_undrawn(making.recipe, making.planned.name, making.data))
    reference = frozen_start(making.lvlm, stage.train) if settings.kl else None
    return Grpo(settings, reward_of(making.recipe, stage), making.recipe.seed, making.planned.name, reference)


def _self_distillation(making: Making) -> LossPart:
    from .keep import frozen_start
    from .self_distillation import SelfDistillation

    recipe, stage, name = making.recipe, making.stage, making.planned.name
    shown = _demonstrations(recipe, name, making.data)
    making.group.agree(shown.check)
    teacher = frozen_start(making.lvlm, stage.train)
    return SelfDistillation(stage.rollouts, shown, recipe.seed, name, teacher)


def _dpo(making: Making) -> LossPart:
    from .dpo import Dpo, answers_N2
    from .reference import Reference

    data, name, precision = making.data, making.planned.name, making.recipe.devices.precision

    def share(rank: int, ranks: int) -> MicroBatchLoader:
        return MicroBatchLoader(rows_once(data.micro_batches(rank, ranks)), 0, data.devices.workers)

    known_by = making.group.agree(lambda: [
        name, making.recipe.seed, precision, data.samples_of_each,
        {one: rows_identity(one, data.maker) for one in data.rows},
        weights_hash(making.lvlm), making.plan.code[making.planned.trained_by].hash,
    ])  # fmt: skip
    file = f"{hashlib.sha256(json.dumps(known_by, sort_keys=True).encode()).hexdigest()[:32]}.safetensors"
    reference = Reference(name, data.cache / "reference" / file, share, answers_N2, precision == "bf16")
    return Dpo(making.stage.dpo or Preference(), reference)


# Each is imported where it is made: a stage does not change with the code of what it does not use (see
# fgtrain.plan.versions, where every name stands with its modules).
MAKERS: dict[str, Callable[[Making], LossPart]] = {
    "answers": _answers,
    "grpo": _grpo,
    "self_distillation": _self_distillation,
    "dpo": _dpo,
    "supcon": _supcon,
    "patch_align": _patch_align,
    "keep": _keep,
}


def stage_loss(making: Making) -> StageLoss:
    """The stage's loss. UserError when a part of the user's own is none."""
    stage = making.stage
    added = tuple((weight, _made(name, making)) for name, weight in additions(stage))
    return StageLoss(_made(stage.objective, making), added)


def _made(name: str, making: Making) -> LossPart:
    if name in MAKERS:
        return MAKERS[name](making)
    options: dict[str, Any] = making.stage.options.get(name, {})
    part = OWN.make(name, options, f"stages.{making.planned.name}.options.{name}", LossPart)
    part.name = name
    return part
