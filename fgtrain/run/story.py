"""A recipe from data to report. This is the whole course of a run, top to bottom."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from data_builders.shared.code_identity import code_of
from evaluation.report import write_report
from fgtrain.data import FeatureCache, StageData
from fgtrain.images import Square
from fgtrain.model import (
    LVLM,
    build_model,
    load_checkpoint,
    merge_adapters,
    model_facts,
    part_hash,
    save_checkpoint,
    set_trainable,
)
from fgtrain.plan import Plan, StagePlan, data_facts, light_facts, make_plan, print_plan, write_plan
from fgtrain.plan.fingerprint import model_fingerprint
from fgtrain.plan.versions import TRAINING, made_with
from fgtrain.recipe import START, Recipe
from fgtrain.training.classification_pretraining import train_heads
from fgtrain.training.resume import ResumePoint
from fgtrain.training.stop_signals import stop_if_asked
from fgtrain.training.throughput import device_peak
from fgtrain.training.trainer import StageJob, run_stage

from . import figures, tracking
from .evaluate import Evaluator
from .folder import claimed, link, locked, stage_done
from .launch import Word
from .out_of_memory import explained
from .prepare import build_data, build_texts
from .runnable import refuse_missing_gpus, refuse_what_cannot_run
from .tracking import Tracker
from .unchanged import refuse_changed_data


def run_recipe(recipe: Recipe) -> Path | None:
    """Build or find the data, train every enabled stage, evaluate, report.

    Returns the report's path, None where the recipe evaluates nothing. A second start goes on where the first one
    stopped; a stage that any recipe has done already is not done again. Raises UserError when the input is at fault,
    StageInterruptedError when a signal asked to stop (state saved).
    """
    refuse_what_cannot_run(recipe)
    refuse_missing_gpus(recipe.devices)
    word = Word(recipe.run_folder)
    with claimed(recipe) if word.first else nullcontext():
        lvlm, data, plan = begin(recipe, word)
        evaluator = Evaluator(recipe, plan, evaluation_features(recipe, lvlm))
        tracker = None
        if word.first:
            tracker = tracking.start(recipe, plan, recipe.run_folder)
            word.tell("prepared")
            tracker.evaluations(evaluator.full(lvlm, START, start_store(recipe)))
        for stage in plan.stages:
            lvlm = do_stage(recipe, stage, lvlm, data[stage.name], word, evaluator, tracker)
            stop_if_asked()
            if tracker is not None:
                tracker.evaluations(evaluator.full(lvlm, stage.name, recipe.stage_store(stage.fingerprint)))
                figures.assemble(recipe.run_folder, plan)
        return finish(recipe, plan, tracker) if word.first else None


def begin(recipe: Recipe, word: Word) -> tuple[LVLM, dict[str, StageData], Plan]:
    """Data built or found, the model that the first stage starts from, each stage's data, the final plan (printed).

    Processes that are not the first wait until it tells them "prepared", which is left to the caller.
    """
    if word.first:
        build_data(recipe)
    else:
        word.hear("prepared")
    lvlm = build_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
    if word.first:
        build_texts(recipe, lvlm)
    data = {name: stage_data(recipe, name, lvlm) for name in recipe.enabled_stages}
    plan = final_plan(recipe, data)
    if word.first:
        refuse_changed_data(recipe, plan)
        write_plan(plan, recipe.run_folder / "plan.json")
        print_plan(plan)
    return lvlm, data, plan


def stage_data(recipe: Recipe, name: str, lvlm: LVLM) -> StageData:
    return StageData(
        name=name,
        stage=recipe.stages[name],
        folders={data_set: recipe.data_folder(data_set) for data_set in recipe.stages[name].mix},
        seed=recipe.seed,
        devices=recipe.devices,
        tokenizer=lvlm.tokenizer,
        image_spec=lvlm.image_spec,
        chat=lvlm.chat,
        max_tokens=lvlm.max_tokens,
        features=None,
        quarantine=recipe.run_folder / "quarantine.jsonl",
        cache=recipe.path(recipe.built_root) / ".cache",
    )


def evaluation_features(recipe: Recipe, lvlm: LVLM) -> FeatureCache | None:
    """Cached outputs also serve evaluation, as long as no stage changes the encoder."""
    learns = any("vision_encoder" in stage.train for stage in recipe.enabled_stages.values())
    return None if learns or not recipe.encoder_cache.enabled else feature_cache(recipe, lvlm)


def feature_cache(recipe: Recipe, lvlm: LVLM) -> FeatureCache | None:
    """None where pictures become features of a size of their own."""
    if not isinstance(lvlm.image_spec, Square):
        return None

    def encode(pixels_NCHW: Tensor) -> Tensor:
        device = lvlm.device
        with torch.autocast(device.type, enabled=False):  # what is kept must not depend on who asked first
            return lvlm.encode_images(pixels_NCHW.to(device)).cpu()

    folder = recipe.path(recipe.built_root) / ".features"
    return FeatureCache(folder, encode, part_hash(lvlm, "vision_encoder"), lvlm.image_spec)


def start_store(recipe: Recipe) -> Path:
    """Where answers of the untrained model lie. The fresh projector follows from the seed."""
    facts = light_facts(recipe)
    return recipe.stage_store(f"start-{model_fingerprint(recipe, facts)}-{recipe.seed}")


def final_plan(recipe: Recipe, data: dict[str, StageData]) -> Plan:
    """The plan with data and weights at hand: nothing in it is provisional. Counting tokens checks every row."""
    facts = data_facts(recipe)
    for stage in data.values():
        for name, counts in stage.counts_per_pass().items():
            facts[name] = replace(facts[name], tokens_per_pass=counts.tokens, counts_per_pass=counts)
    heaviest = {name: stage.heaviest() for name, stage in data.items()}
    of_model = model_facts(
        recipe.model_with_paths(), network=recipe.network, stages=recipe.enabled_stages, memo=recipe.file_memo
    )
    return make_plan(recipe, facts, of_model, None, heaviest, device_peak(recipe.devices))


def do_stage(
    recipe: Recipe,
    stage: StagePlan,
    lvlm: LVLM,
    data: StageData,
    word: Word,
    evaluator: Evaluator | None,
    tracker: Tracker | None,
) -> LVLM:
    """Train one stage, or take it from the store if it was done before; returns the model after it."""
    store, chosen = recipe.stage_store(stage.fingerprint), recipe.stages[stage.name]
    if word.first:
        link(recipe.run_folder / stage.name, store)
        if evaluator is not None:
            evaluator.link_subset(stage.name, store)
    waiting = f"stage {stage.name}: another run is at the same stage; waiting for it"
    with locked(store / ".lock", waiting) if word.first else nullcontext():
        if word.first:
            done = stage_done(recipe, stage.fingerprint)
            word.tell(f"stage-{stage.name}", "done" if done else "open")
        else:
            done = word.hear(f"stage-{stage.name}") == "done"
        if tracker is not None:  # a stage begun before gives its steps when it goes on
            known = figures.stage_rows(recipe.run_folder, stage.name)
            tracker.stage([row for row in known if done or row["kind"] == "eval"])
        if done:
            if word.first:
                print(f"stage {stage.name}: done before, taken from {store}", flush=True)
            return load_checkpoint(store / "checkpoint", verify=False)  # stage_done has
        if chosen.objective == "heads":
            folders = [recipe.data_folder(name) for name in chosen.mix]
            accuracy = train_heads(lvlm, chosen, stage.name, folders, recipe.seed, stage.steps)
            print(f"stage {stage.name}: the heads are right on {accuracy:.1%} of what they are asked", flush=True)
        else:
            data.features = feature_cache(recipe, lvlm) if stage.encoder.cached else None
            if word.first:
                data.prepare()
            train(recipe, stage, lvlm, data, word, evaluator, tracker, store)
        if word.first:
            made = {"stage": stage.name, "fingerprint": stage.fingerprint, "steps": stage.steps}
            made |= made_with(code_of(*TRAINING[stage.objective]).hash)
            if left_out := data.left_out():
                made["left_out"] = left_out
            save_checkpoint(lvlm, store / "checkpoint", made)
            ResumePoint.clear(store / "resume")
        return lvlm


def train(
    recipe: Recipe,
    stage: StagePlan,
    lvlm: LVLM,
    data: StageData,
    word: Word,
    evaluator: Evaluator | None,
    tracker: Tracker | None,
    store: Path,
) -> None:
    chosen = recipe.stages[stage.name].train
    lvlm.checkpoint_activations(recipe.devices.activation_checkpointing)
    groups = set_trainable(lvlm, chosen, seed=recipe.seed, place=f"stages.{stage.name}.train")
    ask = None
    if evaluator is not None and recipe.evaluation.every_steps and recipe.evaluation.tasks:
        folder = evaluator.subset_folder(store)
        ask = evaluator.subset(lvlm, stage.name, stage.fingerprint, folder)
    job = StageJob(
        name=stage.name,
        stage=recipe.stages[stage.name],
        devices=recipe.devices,
        steps=stage.steps,
        samples=stage.samples,
        folder=store,
        also_log=tracker.stage if tracker is not None else None,
        work=stage.work,
        subset_every_steps=recipe.evaluation.every_steps if recipe.evaluation.tasks else None,
        ask_subset=ask,
        seed=recipe.seed,
        agree=word.share,
    )
    with explained(recipe, stage.name, data, final_plan):
        run_stage(job, lvlm, groups, data)
    merge_adapters(lvlm)


def finish(recipe: Recipe, plan: Plan, tracker: Tracker | None) -> Path | None:
    """Figures of all stages in one file, W&B closed, the report written."""
    rows = figures.assemble(recipe.run_folder, plan)
    if tracker is not None:
        tracker.evaluations([row for row in rows if row["kind"] == "eval"])  # those that another process has asked
        tracker.finish()
    if not (recipe.run_folder / "scores.json").exists():
        return None
    report = recipe.run_folder / "report.html"
    write_report([recipe.run_folder], report)
    return report
