"""W&B: every curve with every point on its own axis, whatever interrupted the run; never a reason to fail."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from fgtrain.run import run_recipe
from fgtrain.run.forgetting import with_forgetting
from run_fakes import metrics, recipe_values, start, when_at_step, write_recipe
from wandb_files import curve, curve_names, offline_files, records, run_record, step_axes

from fgtrain.recipe import load_recipe

KEY = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.fixture(scope="module")
def interrupted(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a key in the environment, killed in its second stage, started again."""
    place = tmp_path_factory.mktemp("watched")
    shutil.copytree(tiny_world, place / "world")
    values = recipe_values(place, name="watched")
    values["stages"]["sft"] |= {"mix": {"count": 3, "document": 3}, "checkpoint_every_steps": 3}
    values["evaluation"] |= {"every_steps": 4, "subset": 4, "tasks": ["drawn_count"]}
    recipe, run = write_recipe(place, values), place / "runs" / "watched"
    os.environ["WANDB_API_KEY"] = KEY
    try:
        for step, number in ((7, signal.SIGKILL), (None, None)):
            process = start(recipe)
            if step is not None:
                when_at_step(process, run, "sft", step)
                os.kill(process.pid, number)
            output, _ = process.communicate(timeout=200)
            assert process.returncode == (0 if number is None else -number), output
    finally:
        del os.environ["WANDB_API_KEY"]
    return run


def test_the_newest_file_holds_every_curve_with_every_point_after_interruptions(interrupted: Path) -> None:
    files = offline_files(interrupted)
    assert len(files) == 2
    newest = files[-1]
    for stage in ("align", "sft"):
        rows = [row for row in metrics(interrupted) if row["stage"] == stage]
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
        wanted = [r for r in metrics(interrupted, "eval") if r["subset"] == (kind == "subset") and r["primary"]]
        points = sorted(curve(newest, f"eval_{kind}/drawn/count/exact", f"eval_{kind}/samples_seen"))
        assert points == [(row["samples_seen"], row["value"]) for row in wanted]
        forgotten = [r for r in metrics(interrupted, "forgetting") if r["subset"] == (kind == "subset")]
        points = sorted(curve(newest, f"forgetting_{kind}/forgetting", f"forgetting_{kind}/samples_seen"))
        assert points == [(row["samples_seen"], row["forgetting"]) for row in forgotten]
        assert len(points) == len(wanted) >= 3


def test_all_starts_are_one_run_with_its_recipe_plan_and_hashes(interrupted: Path) -> None:
    run_id = (interrupted / "wandb" / "run_id").read_text()
    assert all(file.parent.name.endswith(f"-{run_id}") for file in offline_files(interrupted))
    found, config = run_record(offline_files(interrupted)[-1])
    assert found == run_id
    assert config["recipe"]["name"] == "watched"
    assert config["plan"]["steps"] == len(metrics(interrupted))
    assert all(len(sha) == 64 for sha in config["data_sha256"].values())
    assert config["fingerprints"].keys() == {"align", "sft"}


def test_each_concern_has_its_own_axis(interrupted: Path) -> None:
    newest = offline_files(interrupted)[-1]
    found = step_axes(newest)
    for name in curve_names(newest):
        if name.startswith("_"):
            continue
        prefixes = [glob.removesuffix("*") for glob in found if name.startswith(glob.removesuffix("*"))]
        assert len(prefixes) == 1, name
        assert found[f"{prefixes[0]}*"].startswith(prefixes[0])


def test_the_key_is_nowhere_on_disk(interrupted: Path) -> None:
    for path in interrupted.parent.parent.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("fault", ["init", "log", "finish"])
def test_a_broken_wandb_is_one_line_and_the_run_goes_on(
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
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B: ")]
    assert lines == [
        "W&B: [Errno 28] No space left on device; "
        + ("figures are in metrics.jsonl alone" if fault == "init" else "figures go on in metrics.jsonl alone")
    ]
    assert metrics(recipe.run_folder)
    monkeypatch.undo()
    if wandb.run is not None:
        wandb.run.finish()


def test_without_network_it_is_tried_and_then_kept_offline(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    import wandb
    from fgtrain.run import tracking
    from fgtrain.run.planned import planned

    real, asked = wandb.init, []

    def init(**arguments: object) -> object:
        asked.append((arguments["mode"], arguments["resume"]))
        if arguments["mode"] == "online":
            raise wandb.errors.CommError("Run initialization has timed out")
        return real(**arguments)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.delenv("WANDB_MODE")
    recipe = load_recipe(write_recipe(place, recipe_values(place)), ["network=true"])
    tracker = tracking.start(recipe, planned(recipe), recipe.run_folder)
    tracker.finish()
    assert asked == [("online", "allow"), ("offline", None)]
    assert capfd.readouterr().err.count("W&B: ") == 1
    (file,) = offline_files(recipe.run_folder)
    deadline = time.monotonic() + 30  # W&B's own process writes it
    while not list(records(file)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(records(file))


def test_forgetting_is_the_best_so_far_minus_now_and_gain_is_now_minus_first() -> None:
    def row(samples: int, task: str, value: float | None, **more: object) -> dict:
        group = "general" if task.startswith("g") else "fine_grained"
        base = {"kind": "eval", "stage": "sft", "step": samples, "samples_seen": samples, "task": task, "group": group}
        return base | {"rule": "r", "value": value, "unit": "percent", "primary": True, "subset": False} | more

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
