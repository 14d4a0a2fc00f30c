"""A watched stage in a whole run: what stopped early is what later stages, scores, card, status and report speak of."""

import json
from pathlib import Path

import pytest
import torch
from run_fakes import jobs_left, metrics, recipe_values, run_recipe, study_of, write_recipe

from evaluation.tasks.load import load_tasks
from fgtrain.graph.status import print_status
from fgtrain.jobs.watch import StageWatch
from fgtrain.model import load_checkpoint
from fgtrain.plan import read_plan
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs.watched import read_watch
from fgtrain.show_example import example_lines

# Drawn answers of an untrained model are what they are: what the looks find is written here.
FOUND = {2: {"at_least": -3.0, "worth": 4.0}, 4: {"at_least": 7.5, "worth": 1.0}}


def recipe(place: Path) -> Recipe:
    values = recipe_values(place, name="watched")
    align, sft = values["stages"]["align"] | {"mix": {"count": 0.34}}, values["stages"]["sft"]
    sft = sft | {"train": {"projector": 1.0e-3, "language_model": {"lr": 1.0e-2, "lora": {"rank": 2, "alpha": 4.0}}}}
    watched = sft | {"stop_when": {"forgetting": 5}, "keep_best": {"gain": 1, "forgetting": 1}}
    values["stages"] = {"align": align, "sft": watched, "soup": {"merge": {"align": 0.5}}}
    values["stages"]["kept"] = {"best_of": "sft"}
    values["evaluation"] = {"tasks": ["drawn_count", "fgbmk"], "limit": 4, "every_steps": 2, "subset": 4}
    values["evaluation"]["at"] = ["align", "sft", "kept"]
    values["evaluation"]["recovery"] = {"at": ["sft"], "on": ["count"], "steps": 2}
    return load_recipe(write_recipe(place, values))


def test_a_stage_that_stopped_early_and_its_best_checkpoint(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    look, keep, kept, alerts = StageWatch._look, StageWatch.keep, {}, []
    monkeypatch.setattr(StageWatch, "_look", lambda self, step: look(self, step) | FOUND[step])
    monkeypatch.setattr(StageWatch, "keep", lambda self, step, new: (kept.update({step: new}), keep(self, step, new)))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr("wandb.Run.alert", lambda self, *words, **more: alerts.append(words), raising=False)
    run = recipe(place)
    report = run_recipe(run).read_text()
    folder, store = run.run_folder, (run.run_folder / "sft").resolve()
    assert jobs_left(run) == []
    assert any("learnt between" in line for line in example_lines(run))  # as --plan ends, whichever stages there are

    why = "stopped early at step 4 of 6"
    extra = json.loads((store / "checkpoint" / "fgtrain.json").read_text())["extra"]
    assert (extra["steps"], extra["of_steps"]) == (4, 6)
    assert extra["stopped"].startswith(why)
    assert [(row["step"], bool(row["stopped"])) for row in metrics(folder, "watch")] == [(2, False), (4, True)]
    assert [row["step"] for row in metrics(folder) if row["stage"] == "sft"] == [1, 2, 3, 4]
    entries = {one["name"]: one for one in json.loads((folder / "scores.json").read_text())["checkpoints"]}
    assert entries["sft"]["step"] == 4
    assert entries["sft"]["samples_seen"] == entries["align"]["samples_seen"] + 32 == entries["kept"]["samples_seen"]
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
    before = load_checkpoint(folder / "align" / "checkpoint").state_dict()
    best, last = (load_checkpoint(store / name).state_dict() for name in ("best", "checkpoint"))
    adapted = [name.removesuffix(".lora_A.default.weight") for name in kept[2] if ".lora_A." in name]
    assert adapted
    for name in adapted:
        a, b = (kept[2][f"{name}.{which}.default.weight"] for which in ("lora_A", "lora_B"))
        torch.testing.assert_close(best[f"{name}.weight"], before[f"{name}.weight"] + 2.0 * b @ a)
    assert all(torch.equal(values, best[name]) for name, values in kept[2].items() if ".lora_" not in name)
    assert any(not torch.equal(values, last[name]) for name, values in best.items())
    assert not list(store.glob("learnt-*"))
    taken = load_checkpoint(folder / "kept" / "checkpoint").state_dict()  # under a name, to be asked and gone on from
    assert all(torch.equal(values, best[name]) for name, values in taken.items())

    plan = read_plan(folder / "plan.json")
    asked = next((store / "subset").iterdir())
    tasks = load_tasks(list(run.evaluation.tasks), run.evaluation_folders())
    StageWatch(run, plan.stage("sft"), tasks, asked).begin(3)  # a stage that goes on from step 3
    again = read_watch(store)
    assert ([one["step"] for one in again["looks"]], again["stopped_at"]) == ([2], None)

    tried = json.loads((folder / "recovery.json").read_text())["sft"]
    assert (tried["before"], tried["on"], list(tried["tasks"])) == ("align", ["count"], ["drawn/count"])
    lost, back, left = (tried["mean"][key]["value"] for key in ("lost", "back", "left"))
    assert lost == pytest.approx(back + left)
    assert "Did it come back?" in report
    place = next((store / "recovery").iterdir())
    answers = {where: said(where) for where in (store / "answers", place / "after", place / "again")}
    assert answers[place / "after"] == answers[store / "answers"]  # of the checkpoint as it was saved
    assert [json.loads(line)["step"] for line in (place / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert not (place / "resume").exists()


def said(folder: Path) -> list[str]:
    rows = map(json.loads, (folder / "drawn__count.jsonl").read_text().splitlines())
    return [row["answer"] for row in rows]
