"""Stopped and started again: nothing is lost, nothing differs. Whole processes, as a user starts them."""

import shutil
import signal
from pathlib import Path

import pytest
from run_fakes import (
    command,
    finished,
    left_over,
    losses,
    metrics,
    recipe_values,
    start,
    when_all_have_ended,
    when_at_step,
    write_recipe,
)

from fgtrain.model import load_checkpoint, weights_hash


def long_recipe(place: Path, name: str) -> Path:
    values = recipe_values(place, name=name)
    values["stages"]["sft"] |= {"mix": {"count": 6, "document": 6}, "checkpoint_every_steps": 3}
    values["evaluation"] = {"tasks": []}
    values["runs_root"] = str(place / "runs" / name)
    return write_recipe(place, values)


def folder_of(place: Path, name: str) -> Path:
    return place / "runs" / name / name


def weights(run: Path) -> str:
    return weights_hash(load_checkpoint(run / "sft" / "checkpoint"))


@pytest.fixture(scope="module")
def uninterrupted(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(tiny_world, place / "world")
    status, output = command(long_recipe(place, "whole"))
    assert status == 0, output
    return folder_of(place, "whole")


def test_killed_or_interrupted_runs_go_on_to_the_same_weights(place: Path, uninterrupted: Path) -> None:
    for name, number, expected in (("killed", signal.SIGKILL, -signal.SIGKILL), ("stopped", signal.SIGINT, 130)):
        recipe, run = long_recipe(place, name), folder_of(place, name)
        process = start(recipe)
        when_at_step(process, run, "sft", 7)
        process.send_signal(number)  # to the process that the user sees
        status, output = finished(process)
        assert status == expected, output
        when_all_have_ended(process)  # by themselves, where it was killed
        assert "Traceback" not in output
        assert not (run / "sft" / "checkpoint").exists()
        status, output = command(recipe)
        assert status == 0, output
        assert "done before: train align; left: train sft, report of" in output
        assert "going on from step" in output
        assert losses(run) == losses(uninterrupted)
        assert weights(run) == weights(uninterrupted)


def test_two_processes_learn_what_one_learns(place: Path, uninterrupted: Path) -> None:
    """Also with questions asked in between."""
    recipe, run = long_recipe(place, "two"), folder_of(place, "two")
    words = ["devices.count=2", "devices.per_device_batch_size=4"]
    words += ["evaluation.tasks=[drawn_count]", "evaluation.every_steps=5", "evaluation.subset=4"]
    status, output = command(recipe, *words)
    assert status == 0, output
    assert {row["step"] for row in metrics(run, "eval") if row["subset"]} >= {5, 10}
    one, two = metrics(uninterrupted), metrics(run)
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for a, b in zip(one, two, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=2e-3)
        assert b["samples_seen"] == a["samples_seen"]
        assert b["label_weight"] == a["label_weight"]
    assert one[0]["grad_norm"] == pytest.approx(two[0]["grad_norm"], rel=1e-4)


def test_asked_to_stop_while_libraries_are_imported_it_says_so_and_nothing_else(place: Path) -> None:
    """Half an import cannot be used, and whatever imports the library again on the way out would fail by it."""
    values = recipe_values(place, evaluation={"tasks": []})
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(write_recipe(place, values))
        while not any("libtorch_python" in loaded(pid) for pid in left_over(process)):
            assert process.poll() is None, finished(process)
        process.send_signal(number)
        status, output = finished(process)
        assert status == 130, output
        assert not left_over(process)
        assert "Traceback" not in output, output
        assert f"stopped by {number.name}" in output
        assert "goes on from there" in output


def loaded(pid: int) -> str:
    """The files that a process has in memory."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""
