"""A watched stage in a whole run: what stopped early is what later stages, scores, card, status and report speak of."""

import json
from pathlib import Path

import pytest
import torch
from run_fakes import jobs_left, metrics, recipe_values, run_recipe, study_of, write_recipe

from evaluation.tasks.task import load_tasks
from fgtrain.graph.status import print_status
from fgtrain.jobs.watch import StageWatch
from fgtrain.model import load_checkpoint
from fgtrain.plan import read_plan
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs.watched import read_watch

# Drawn answers of an untrained model are what they are: what the looks find is written here.
FOUND = {2: {"at_least": -3.0, "worth": 4.0}, 4: {"at_least": 7.5, "worth": 1.0}}


def recipe(place: Path) -> Recipe:
    values = recipe_values(place, name="watched")
    align, sft = values["stages"]["align"] | {"mix": {"count": 0.34}}, values["stages"]["sft"]
    watched = sft | {"stop_when": {"forgetting": 5}, "keep_best": {"gain": 1, "forgetting": 1}}
    values["stages"] = {"align": align, "sft": watched, "soup": {"merge": {"align": 0.5}}}
    values["evaluation"] = {"tasks": ["drawn_count", "fgbmk"], "limit": 4, "every_steps": 2, "subset": 4}
    return load_recipe(write_recipe(place, values))


def test_a_stage_that_stopped_early_and_its_best_checkpoint(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    look, keep, kept, alerts = StageWatch._look, StageWatch.keep, {}, []
    monkeypatch.setattr(StageWatch, "_look", lambda self, step: look(self, step) | FOUND[step])
    monkeypatch.setattr(StageWatch, "keep", lambda self, step, new: (kept.update({step: new}), keep(self, step, new)))
    monkeypatch.setattr("wandb.Run.alert", lambda self, *words, **more: alerts.append(words), raising=False)
    run = recipe(place)
    report = run_recipe(run).read_text()
    folder, store = run.run_folder, (run.run_folder / "sft").resolve()
    assert jobs_left(run) == []

    why = "stopped early at step 4 of 6"
    extra = json.loads((store / "checkpoint" / "fgtrain.json").read_text())["extra"]
    assert (extra["steps"], extra["of_steps"]) == (4, 6)
    assert extra["stopped"].startswith(why)
    assert [(row["step"], bool(row["stopped"])) for row in metrics(folder, "watch")] == [(2, False), (4, True)]
    assert [row["step"] for row in metrics(folder) if row["stage"] == "sft"] == [1, 2, 3, 4]
    entries = {one["name"]: one for one in json.loads((folder / "scores.json").read_text())["checkpoints"]}
    assert entries["sft"]["step"] == 4
    assert entries["sft"]["samples_seen"] == entries["align"]["samples_seen"] + 32 == entries["soup"]["samples_seen"]
    card = (store / "checkpoint" / "README.md").read_text()
    capsys.readouterr()
    print_status(study_of(run), {})
    status = capsys.readouterr().out
    for text in (report, card, status):
        assert why in text
    for text in (card, status):
        assert "best checkpoint kept: step 2 of 6" in text
    assert "best, kept" in report
    assert alerts
    assert all(words[0] == "sft stopped early" and why in words[1] for words in alerts)

    assert list(kept) == [2]
    best, last = (load_checkpoint(store / name).state_dict() for name in ("best", "checkpoint"))
    assert all(torch.equal(values, best[name]) for name, values in kept[2].items())
    assert any(not torch.equal(values, last[name]) for name, values in best.items())
    assert not list(store.glob("learnt-*"))

    plan = read_plan(folder / "plan.json")
    asked = next((store / "subset").iterdir())
    tasks = load_tasks(list(run.evaluation.tasks), run.evaluation_folders())
    StageWatch(run, plan.stage("sft"), tasks, asked).begin(3)  # a stage that goes on from step 3
    again = read_watch(store)
    assert ([one["step"] for one in again["looks"]], again["stopped_at"]) == ([2], None)
