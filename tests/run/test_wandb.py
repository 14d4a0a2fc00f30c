"""W&B offline: every curve with every point on its own axis, whatever interrupted the run; never a reason to fail."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from run_fakes import metrics, recipe_values, run_recipe, start, when_at_step, write_recipe
from wandb_files import curve, curve_names, offline_files, run_record, step_axes
from wandb_server import wandb_server

from data_builders.shared.files import read_jsonl
from fgtrain.graph.planned import planned
from fgtrain.recipe import load_recipe
from fgtrain.runs import tracking, wandb_run
from fgtrain.runs.forgetting import with_forgetting
from fgtrain.runs.wandb_view import sections

KEY = "fedcba9876543210fedcba9876543210fedcba98"
LEAD = "to send it: wandb sync "


@pytest.fixture(autouse=True)
def no_service_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test's run in this process has left: a child that ended W&B's service leaves its address here."""
    wandb_run.forget_runs()
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture(scope="module")
def interrupted(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run with a key in the environment, killed in its second stage, started again; and what that printed."""
    place = tmp_path_factory.mktemp("watched")
    shutil.copytree(tiny_world, place / "world")
    values = recipe_values(place, name="watched")
    values["stages"]["sft"] |= {"mix": {"count": 3, "document": 3}, "checkpoint_every_steps": 3}
    values["evaluation"] |= {"every_steps": 4, "subset": 4, "tasks": ["drawn_count"]}
    recipe, run = write_recipe(place, values), place / "runs" / "watched"
    for step, number in ((7, signal.SIGKILL), (None, None)):
        process = start(recipe, WANDB_API_KEY=KEY, WANDB_MODE="offline")
        try:
            if step is not None:
                when_at_step(process, run, "sft", step)
                os.kill(process.pid, number)
            output, _ = process.communicate(timeout=300)
        finally:
            process.kill()
        assert process.returncode == (0 if number is None else -number), output
    return run, output


def test_the_newest_file_holds_every_curve_with_every_point_after_interruptions(interrupted: tuple[Path, str]) -> None:
    run, _ = interrupted
    newest = offline_files(run)[-1]
    for stage in ("align", "sft"):
        rows = [row for row in metrics(run) if row["stage"] == stage]
        axis = f"train/{stage}/step"

        def expect(
            name: str, values: list[float], axis: str = axis, rows: list[dict] = rows, stage: str = stage
        ) -> None:
            points = list(zip([row["step"] for row in rows], values, strict=True))
            assert curve(newest, f"train/{stage}/{name}", axis) == points, name

        for figure in ("loss", "grad_norm", "samples_per_s", "tokens_per_s"):
            expect(figure, [row[figure] for row in rows])
        for part in rows[0]["lr"]:
            expect(f"lr/{part}", [row["lr"][part] for row in rows])
            expect(f"grad_norm/{part}", [row["grad_norm_by_part"][part] for row in rows])
        for data_set in {name for row in rows for name in row["loss_by_data_set"]}:
            points = [(r["step"], r["loss_by_data_set"][data_set]) for r in rows if data_set in r["loss_by_data_set"]]
            assert curve(newest, f"train/{stage}/loss/{data_set}", axis) == points
    for kind in ("full", "subset"):
        wanted = [r for r in metrics(run, "eval") if r["subset"] == (kind == "subset") and r["primary"]]
        points = sorted(curve(newest, f"eval_{kind}/drawn/count/exact", f"eval_{kind}/samples_seen"))
        assert points == [(row["samples_seen"], row["value"]) for row in wanted]
        forgotten = [r for r in metrics(run, "forgetting") if r["subset"] == (kind == "subset")]
        points = sorted(curve(newest, f"forgetting_{kind}/forgetting", f"forgetting_{kind}/samples_seen"))
        assert points == [(row["samples_seen"], row["forgetting"]) for row in forgotten if "forgetting" in row]
        points = sorted(curve(newest, f"forgetting_{kind}/general", f"forgetting_{kind}/samples_seen"))
        assert points == [(row["samples_seen"], row["general"]) for row in forgotten]
        assert len(points) == len(wanted) >= 3


def test_a_view_shows_nothing_that_the_run_has_not_logged(interrupted: tuple[Path, str]) -> None:
    run, _ = interrupted
    newest = offline_files(run)[-1]
    found = sections(read_jsonl(run / "metrics.jsonl"))
    assert {"Training: loss and rates", "General scores and forgetting"} <= set(found)
    panels = [one for some in found.values() for one in some]
    assert {name for one in panels for name in (one.x, *one.y)} <= curve_names(newest)
    axes = step_axes(newest)
    for one in panels:
        assert {axis for name in one.y for glob, axis in axes.items() if fnmatch(name, glob)} == {
            one.x
        } or not one.lines


def test_all_jobs_of_all_starts_are_one_run_with_its_recipe_plan_and_hashes(interrupted: tuple[Path, str]) -> None:
    run, _ = interrupted
    files = offline_files(run)
    assert len(files) >= 4, "two stages, one of them begun twice, and the report"
    records = [run_record(file) for file in files]
    assert len({found for found, _ in records}) == 1
    _, config = records[-1]
    assert config["recipe"]["name"] == "watched"
    assert config["plan"]["steps"] == len(metrics(run))
    assert all(len(sha) == 64 for sha in config["data_sha256"].values())
    assert config["fingerprints"].keys() == {"align", "sft"}


def test_the_printed_line_sends_the_whole_run_once(interrupted: tuple[Path, str]) -> None:
    run, output = interrupted
    assert output.count(LEAD) == 1
    words = shlex.split(output.partition(LEAD)[2].splitlines()[0])
    assert words == [str(run / "wandb")]
    with wandb_server() as server:
        environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        done = subprocess.run(
            [sys.executable, "-m", "wandb", "sync", *words], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        (run_id,) = server.runs
        kept = list(server.histories[run_id].values())
    assert len(kept) == len(server.rows), "an older folder would be written over by the newest"
    sent = {name for figures in kept for name in figures}
    assert {"train/align/loss", "train/sft/loss", "eval_full/drawn/count/exact", "forgetting_full/general"} <= sent
    losses = [(row["train/sft/step"], row["train/sft/loss"]) for row in kept if "train/sft/loss" in row]
    assert losses == [(row["step"], row["loss"]) for row in metrics(run) if row["stage"] == "sft"]


def test_each_concern_has_its_own_axis(interrupted: tuple[Path, str]) -> None:
    newest = offline_files(interrupted[0])[-1]
    found = step_axes(newest)
    for name in curve_names(newest):
        if name.startswith("_"):
            continue
        prefixes = [glob.removesuffix("*") for glob in found if name.startswith(glob.removesuffix("*"))]
        assert len(prefixes) == 1, name
        assert found[f"{prefixes[0]}*"].startswith(prefixes[0])


def test_the_key_is_nowhere_on_disk(interrupted: tuple[Path, str]) -> None:
    for path in interrupted[0].parent.parent.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("fault", ["init", "log", "finish"])
def test_a_broken_wandb_is_one_line_a_job_and_the_run_goes_on(
    fault: str, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    import wandb

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((wandb, "init") if fault == "init" else (wandb.Run, fault)), broken)
    values = recipe_values(place)
    del values["stages"]["sft"]
    recipe = load_recipe(write_recipe(place, values), ["evaluation.tasks=[]"])
    run_recipe(recipe)
    out, err = capfd.readouterr()
    told = [line for line in err.splitlines() if line.startswith("W&B: ")]
    assert len(told) == 2, "of the stage and of the report"
    assert all(line.startswith("W&B: [Errno 28] No space left on device; figures ") for line in told)
    assert "W&B: [Errno 28] No space left on device; the figures of tiny are in metrics.jsonl alone" in out
    assert metrics(recipe.run_folder)
    monkeypatch.undo()
    if wandb.run is not None:
        wandb.run.finish()


def test_without_network_it_is_tried_and_then_kept_offline(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    import wandb

    real, asked = wandb.init, []

    def init(**arguments: object) -> object:
        asked.append(arguments["mode"])
        if arguments["mode"] != "offline":
            raise wandb.errors.CommError("Run initialization has timed out")
        return real(**arguments)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.delenv("WANDB_MODE")
    recipe = load_recipe(write_recipe(place, recipe_values(place)), ["network=true", "evaluation.tasks=[]"])
    plan = planned(recipe)
    tracking.track_stage(recipe, plan, "start", "align").finish()
    tracking.send_all(recipe, plan, "start")
    assert asked == ["shared", "offline"] * 2
    assert capfd.readouterr().err.count("W&B: ") == 2
    assert len(offline_files(recipe.run_folder)) == 2


@pytest.mark.parametrize(
    ("variables", "network", "netrc", "mode"),
    [
        ({}, "true", False, "offline"),
        ({}, "true", True, "online"),
        ({"WANDB_API_KEY": KEY}, "true", False, "online"),
        ({"WANDB_API_KEY": KEY}, "false", True, "offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "true", True, "offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "true", True, "disabled"),
    ],
)
def test_it_is_online_with_a_key_of_the_environment_or_of_wandb_login_and_the_recipe_allows_it(
    variables: dict, network: str, netrc: bool, mode: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NETRC", str(place / "netrc"))
    if netrc:
        (place / "netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    recipe = load_recipe(write_recipe(place, recipe_values(place)), [f"network={network}"])
    found, why = wandb_run.chosen_mode(recipe)
    assert found == mode
    assert (why is not None) == (network == "true" and not netrc and not variables)


def test_a_stage_that_is_trained_anew_is_another_wandb_run(place: Path) -> None:
    plan = planned(load_recipe(write_recipe(place, recipe_values(place))))
    first = wandb_run.run_id(place, plan)
    align, sft = plan.stages
    assert wandb_run.run_id(place, plan.model_copy(update={"stages": (align,)})) == first
    assert wandb_run.run_id(place, plan) == first
    changed = plan.model_copy(update={"stages": (align, sft.model_copy(update={"fingerprint": "another"}))})
    assert wandb_run.run_id(place, changed) != first


def test_what_a_job_sends_no_other_sends_but_the_report_what_never_arrived(tmp_path: Path) -> None:
    path, figures = tmp_path / "sent", [{"loss": float(n)} for n in range(3)]
    train, evaluate = wandb_run.Sent(path), wandb_run.Sent(path)
    assert train.first_time(figures[0])
    assert train.first_time(figures[1])
    assert [evaluate.first_time(one) for one in figures] == [False, False, True]
    evaluate.delivered()  # the other one was killed
    report = wandb_run.Sent(path, certain=True)
    assert [report.first_time(one) for one in figures] == [True, True, False]


def test_forgetting_is_the_best_so_far_minus_now_and_gain_is_now_minus_first() -> None:
    def row(samples: int, task: str, value: float | None, **more: object) -> dict:
        group = "general" if task.startswith("g") else "fine_grained"
        base = {"kind": "eval", "stage": "sft", "step": samples, "samples_seen": samples, "task": task, "group": group}
        about = {"rule": "r", "value": value, "low": value, "unit": "percent", "primary": True, "subset": False}
        return base | about | more

    rows = [row(0, "g1", 60.0), row(0, "g2", 40.0), row(0, "f1", 5.0), row(0, "g3", 9.0, unit="perplexity")]
    rows += [row(5, "g1", 99.0, subset=True)]
    rows += [row(8, "g1", 70.0), row(8, "g2", 10.0), row(8, "f1", 50.0), row(8, "g1", 1.0, primary=False)]
    rows += [{"kind": "train", "stage": "sft", "step": 9, "samples_seen": 9}]
    rows += [row(16, "g1", 50.0), row(16, "g2", None), row(16, "f1", 30.0)]
    out = list(with_forgetting(rows))
    assert [r for r in out if r["kind"] != "forgetting"] == rows
    found = [
        (r["samples_seen"], r["subset"], r.get("forgetting"), r.get("fine_grained_gain"))
        for r in out
        if r["kind"] == "forgetting"
    ]
    assert found == [(0, False, 0.0, 0.0), (5, True, 0.0, None), (8, False, 15.0, 45.0), (16, False, 20.0, 25.0)]
