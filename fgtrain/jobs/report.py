"""What is said in the end: a run's figures, scores and report; a study's answer. Needs neither model nor torch."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_builders.shared.files import read_json
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.links import write_links
from evaluation.report import write_report, write_study_report
from evaluation.study import StudyRuns, study_answer, write_answer
from fgtrain.errors import UserError
from fgtrain.plan import Plan, read_plan
from fgtrain.plan.checkpoints import features_at
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs.evaluations import answers_folder, asked, assemble_scores, found_evaluations, stores
from fgtrain.runs.features import FOLDER as FEATURES
from fgtrain.runs.features import feature_rows, features_folders
from fgtrain.runs.folder import RESOLVED, link
from fgtrain.runs.links import link_rows
from fgtrain.runs.metrics import assemble
from fgtrain.runs.model_card import fill_cards
from fgtrain.runs.recovery import assemble_recoveries, found_recoveries
from fgtrain.runs.reported import note_reported, results_of_run, results_of_study
from fgtrain.runs.scores_text import write_scores_text
from fgtrain.runs.subset import SUBSET, subset_folder
from fgtrain.runs.tracking import send_all
from fgtrain.runs.unmeasured import unmeasured_lines
from fgtrain.runs.wandb_outcome import outcome_lines

from .spec import LEASH

REPORT = "report.html"


def report_run(recipe: Recipe, group: Group, start: str) -> None:
    """Put scores and figures of all stages together, write the report, send to W&B what it lacks.

    `start`: the untrained model's fingerprint. UserError when a checkpoint that the recipe asks has no scores.
    """
    plan = read_plan(recipe.run_folder / "plan.json")
    with locked(recipe.run_folder / ".report.lock", waiting=f"{recipe.name}: its report is being written; waiting"):
        _links(recipe, plan, start)
        found = found_evaluations(recipe, plan, start)
        assemble_scores(recipe, plan, found)
        assemble_recoveries(recipe, found_recoveries(recipe, plan))
        if missing := [name for name in asked(recipe) if name not in found]:
            raise UserError(f"{recipe.name} has no scores of {', '.join(missing)}. The same command asks what is open")
        links = write_links(load_run(recipe.run_folder, metrics=False)) if found else []
        assemble(recipe, plan, found, [*feature_rows(recipe, plan, start), *link_rows(links)])
        fill_cards(recipe.stage_store(stage.fingerprint) / "checkpoint" for stage in plan.stages)
        if found or features_at(recipe):
            comparison = compare_runs([load_run(recipe.run_folder)])
            write_scores_text(comparison, recipe.run_folder)
            send_all(recipe, plan, start, comparison.runs[0])  # before the page, which names where W&B shows the run
            write_report([recipe.run_folder], recipe.run_folder / REPORT, comparison)
        else:
            send_all(recipe, plan, start)
        note_reported(recipe.run_folder, results_of_run(recipe, plan, start))
    if LEASH not in os.environ:  # else whoever has started this job tells it
        for line in (*unmeasured_lines(recipe), *outcome_lines([recipe])):
            say(line)


def _links(recipe: Recipe, plan: Plan, start: str) -> None:
    """Show the store's folders, some of which other runs have made, as the run's own."""
    places = stores(recipe, plan, start)
    for stage in plan.stages:
        link(recipe.run_folder / stage.name, places[stage.name])
        subset = subset_folder(recipe, places[stage.name])
        if subset is not None and subset.is_dir():
            link(recipe.run_folder / SUBSET / stage.name, subset)
    for checkpoint in asked(recipe):
        link(recipe.run_folder / "answers" / checkpoint, answers_folder(recipe, places[checkpoint]))
    for (checkpoint, part), folder in features_folders(recipe, plan, start).items():
        link(recipe.run_folder / FEATURES / checkpoint / part, folder)


def report_study(recipe: Recipe | None, group: Group, study: dict[str, Any], out: str) -> None:
    """The study's answer: answer.json, answer.md, report.html in the folder `out`; or runs side by side in a file."""
    runs = [Path(folder) for seeds in study["arms"].values() for folder in seeds.values()]
    know_their_tasks(runs)
    results = results_of_study(runs)
    if study["name"] is None:
        write_report(runs, Path(out))
        note_reported(Path(out).parent, results)
        return
    matched = Path(out) / "matched.json"
    known = StudyRuns(
        name=study["name"],
        question=study["question"],
        arms={arm: {int(seed): Path(run) for seed, run in seeds.items()} for arm, seeds in study["arms"].items()},
        measures=tuple(study["measures"]),
        contrasts=tuple((a, b) for a, b in study["contrasts"]),
        matched=read_json(matched) if matched.is_file() else [],
        notes=tuple(study["notes"]),
        costs={arm: _device_hours(seeds.values()) for arm, seeds in study["arms"].items()},
    )
    answer = study_answer(known)
    write_answer(answer, Path(out))
    write_study_report(known, answer, Path(out) / REPORT)
    note_reported(Path(out), results)


def know_their_tasks(runs: Iterable[Path]) -> None:
    """Make the task files that the runs' recipes name known here, so that single answers to them can be shown."""
    for run in runs:
        if (run / RESOLVED).is_file():
            load_recipe(run / RESOLVED)


def _device_hours(runs: Iterable[str]) -> float | None:
    """Of one run of an arm by the plan, as if nothing were shared; None where it is not known."""
    hours = [read_plan(Path(run) / "plan.json").device_hours.all for run in runs]
    return None if None in hours or not hours else sum(hours) / len(hours)
