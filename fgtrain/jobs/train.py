"""Trains one stage from the checkpoint before it, to a checkpoint in the store."""

from collections.abc import Callable
from pathlib import Path

import torch

from data_builders.shared.made_with import made_with
from data_builders.shared.terminal import say
from fgtrain.data.datamodule import StageData
from fgtrain.model import (
    LVLM,
    Adapter,
    Base,
    fully_trained,
    merge_adapters,
    part_hash,
    read_adapter,
    save_checkpoint,
)
from fgtrain.model.intruders import reduce_intruders
from fgtrain.model.layer_kernels import use_layer_kernels
from fgtrain.plan import Plan, StagePlan
from fgtrain.plan.kernels import layer_kernels
from fgtrain.plan.versions import training_code
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs import tracking
from fgtrain.runs.folder import link, stage_done
from fgtrain.runs.model_card import model_card
from fgtrain.runs.subset import SUBSET
from fgtrain.runs.watched import watch_lines
from fgtrain.training.classification_pretraining import train_heads
from fgtrain.training.drift_meter import DriftMeter, drawn_batches, drift_noter, within_reach
from fgtrain.training.objectives.making import Making, stage_loss
from fgtrain.training.resume import ResumePoint
from fgtrain.training.stop_signals import stop_if_asked
from fgtrain.training.strategy import weights_device
from fgtrain.training.trainer import StageRun, run_stage

from .adapter_base import adapter_base
from .adapters import make_learn
from .best import clear_learnt, save_best
from .device_memory import refuse_too_large
from .evaluate import SubsetQuestions, subset_questions
from .inputs import CachedEncoder, encoder_at, feature_cache, final_plan, job_device, model_at, stage_before, stage_data
from .out_of_memory import explained


def train_stage(recipe: Recipe, group: Group, stage: str, start: str) -> None:
    """Train the stage and save its checkpoint in the store; return at once where it is there.

    `start`: the untrained model's fingerprint. UserError when the stage before is not done or the data is not what the
    plan counted; StageInterruptedError when a signal asked to stop (state saved).
    """
    plan = final_plan(recipe)
    planned = plan.stage(stage)
    store = recipe.stage_store(planned.fingerprint)
    if group.first:
        link(recipe.run_folder / stage, store)
    waiting = f"stage {stage}: another run is at the same stage; waiting for it"
    with group.locked(store / ".lock", waiting):
        if group.agree(lambda: stage_done(recipe, planned.fingerprint)):
            if group.first:
                say(f"stage {stage}: done before, taken from {store}")
            return
        group.agree(lambda: refuse_too_large(recipe, [planned]))
        heads = recipe.stages[stage].objective == "heads"
        device = torch.device("cpu") if heads else weights_device(recipe.devices, group.rank, group.local_rank)
        lvlm = model_at(recipe, plan, stage_before(plan, stage), device)
        data = stage_data(recipe, stage, lvlm, plan)
        adapter: Adapter | str | None = None
        steps = planned.steps
        if heads:
            _pretrain(recipe, planned, lvlm, job_device(recipe, group.local_rank))
        else:
            steps, adapter = train_model(recipe, plan, planned, lvlm, data, group, start)
        if group.first:
            made = {"stage": stage, "fingerprint": planned.fingerprint, "steps": steps}
            made |= made_with(training_code(planned.trained_by).hash)
            if steps != planned.steps:
                made |= {"of_steps": planned.steps, "stopped": watch_lines(planned)[0]}
                say(f"stage {stage}: {made['stopped']}")
            if left_out := data.left_out():
                made["left_out"] = left_out
            if isinstance(adapter, str):
                made["no_adapter"], adapter = adapter, None
            card = model_card(recipe, plan, stage, len(left_out))
            save_checkpoint(lvlm, store / "checkpoint", made, adapter, card)
            ResumePoint.clear(store / "resume")
            clear_learnt(store)
    stop_if_asked()


def _pretrain(recipe: Recipe, planned: StagePlan, lvlm: LVLM, device: torch.device) -> None:
    chosen = recipe.stages[planned.name]
    folders = [recipe.data_folder(name) for name in chosen.mix]
    accuracy = train_heads(lvlm, chosen, planned.name, folders, recipe.seed, planned.steps, device)
    say(f"stage {planned.name}: the heads are right on {accuracy:.1%} of what they are asked")


def train_model(
    recipe: Recipe, plan: Plan, planned: StagePlan, lvlm: LVLM, data: StageData, group: Group, start: str
) -> tuple[int, Adapter | str | None]:
    """Train the model in place, saving nothing but resume points and figures; returns the steps that it was trained,
    and what its adapters have learnt, as `read_adapter` does.
    """
    stage, tracker = recipe.stages[planned.name], None
    store = recipe.stage_store(planned.fingerprint)
    encoder = _encoder(recipe, plan, planned, lvlm, group)
    if planned.encoder.cached:
        data.features = feature_cache(recipe, encoder)
    questions = subset_questions(recipe, plan, planned.name, store, encoder)
    if group.first:
        _show_subset(recipe, planned.name, questions)
        tracker = tracking.track_stage(recipe, plan, start, planned.name)
    devices = recipe.devices
    way = lvlm.settle_attention(devices.attention, job_device(recipe, group.local_rank), devices.precision == "bf16")
    # A process whose GPU computes it in another way than the first's holds up all others, and says so.
    if group.agree(lambda: way.name) != way.name or group.first:
        say(f"stage {planned.name}, process {group.rank}: attention by {way}")
    lvlm.checkpoint_activations(devices.activation_checkpointing)
    kernels = use_layer_kernels(lvlm, layer_kernels(devices), devices.layer_kernels)
    if group.first:
        say(f"stage {planned.name}: kernels of the language model's layers: {kernels}")
    note = _drift(recipe, planned, lvlm, data, store, tracker) if group.first else None
    base = adapter_base(recipe, plan, planned.name, lvlm) if group.first else None
    loss = stage_loss(Making(recipe, plan, planned, lvlm, data, group, _others(recipe, plan, lvlm)))
    groups = make_learn(recipe, planned.name, lvlm, group, store / "resume")
    full = fully_trained(lvlm)
    run = StageRun(
        name=planned.name,
        stage=stage,
        devices=recipe.devices,
        steps=planned.steps,
        samples=planned.samples,
        folder=store,
        also_log=tracker.trained if tracker is not None else None,
        work=planned.work,
        subset_every_steps=recipe.evaluation.every_steps if questions is not None else None,
        ask_subset=_asking(questions.asking(lvlm), note) if questions is not None else None,
        watch=questions.watch() if questions is not None else None,
        seed=recipe.seed,
        loss=loss,
        agree=group.agree,
    )
    try:
        with explained(recipe, planned.name, data):
            steps = run_stage(run, lvlm, groups, data)
        if group.first and planned.watch is not None and planned.watch.best:
            save_best(recipe, plan, planned, lvlm, base, full, steps, len(data.left_out()))
        for part, found in reduce_intruders(lvlm, stage.train).items():
            if group.first:
                say(f"stage {planned.name}: {part} had {found} intruder dimensions")
        if note is not None:
            note(steps)
    finally:
        if tracker is not None:
            tracker.finish()
    adapter = read_adapter(lvlm, base, full) if isinstance(base, Base) else base
    merge_adapters(lvlm)
    return steps, adapter


def _drift(
    recipe: Recipe, planned: StagePlan, lvlm: LVLM, data: StageData, store: Path, tracker: tracking.Tracker | None
) -> Callable[[int], None]:
    """A function that notes, at a step, how far the model has moved from what it is now."""
    device, meter = job_device(recipe, 0), None
    with within_reach(lvlm, device) as here:
        if here:
            meter = DriftMeter(lvlm, drawn_batches(data), recipe.devices.precision)
    if meter is None:
        say(f"stage {planned.name}: how far it moves is not measured: the whole model does not fit a GPU")
        return lambda step: None
    size = recipe.stages[planned.name].global_batch_size
    noted = drift_noter(meter, lvlm, planned.name, store, lambda step: min(step * size, planned.samples))

    def note(step: int) -> None:
        with within_reach(lvlm, device) as here:
            row = noted(step) if here else None
        if tracker is not None and row is not None:
            tracker.trained([row])

    return note


def _asking(
    ask: Callable[[int, int, int], list[dict]], note: Callable[[int], None] | None
) -> Callable[[int, int, int], list[dict]]:
    """The same, and the first process notes the drift as well."""

    def asked(step: int, rank: int, ranks: int) -> list[dict]:
        rows = ask(step, rank, ranks)
        if note is not None:
            note(step)
        return rows

    return asked


def _others(recipe: Recipe, plan: Plan, lvlm: LVLM) -> Callable[[str], LVLM]:
    """Models of other checkpoints, which compute as the stage's own does."""

    def other(checkpoint: str) -> LVLM:
        found = model_at(recipe, plan, checkpoint, lvlm.device)
        found.attention = lvlm.attention
        use_layer_kernels(found, layer_kernels(recipe.devices), recipe.devices.layer_kernels)
        return found

    return other


def _encoder(recipe: Recipe, plan: Plan, planned: StagePlan, lvlm: LVLM, group: Group) -> CachedEncoder:
    """The encoder that the stage starts from; processes that hold no weights know it from the first one."""
    before, device = stage_before(plan, planned.name), job_device(recipe, group.local_rank)
    return CachedEncoder(
        lvlm.image_spec,
        find_hash=lambda: group.agree(lambda: part_hash(lvlm, "vision_encoder")),
        load=lambda: encoder_at(recipe, plan, before, device),
    )


def _show_subset(recipe: Recipe, stage: str, questions: SubsetQuestions | None) -> None:
    """Show the subset's answers as <run>/subset/<stage>; where nothing is asked in between there is none."""
    place = recipe.run_folder / SUBSET / stage
    if questions is not None:
        link(place, questions.folder)
    elif place.is_symlink():  # of an earlier start that did ask
        place.unlink()
