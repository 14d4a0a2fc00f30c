"""What goes wrong in the middle of a run, with several processes at work: all of them stop or go on alike."""

import json
import signal
from pathlib import Path

import pytest
from run_fakes import command, finished, left_over, metrics, recipe_values, start, when_at_step, write_recipe


def seeing_recipe(place: Path, name: str, spoilt: list[tuple[Path, bytes]], bad: int = 2) -> Path:
    """A recipe whose encoder learns, so that pictures are opened while it trains; `bad` of them cannot be read.

    They are noted in `spoilt` with what was in them.
    """
    pictures = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))
    for picture in pictures[5 : 5 + bad] if not spoilt else []:
        spoilt.append((picture, picture.read_bytes()))
        picture.write_bytes(picture.read_bytes()[:200])
    values = recipe_values(place, name=name)
    values["stages"] = {
        "sft": {
            "train": {"vision_encoder": 1.0e-3, "projector": 1.0e-3},
            "mix": {"count": 4},
            "global_batch_size": 8,
        }
    }
    values["evaluation"] = {"tasks": []}
    values["runs_root"] = str(place / "runs" / name)
    return write_recipe(place, values)


TWO = ["devices.count=2", "devices.per_device_batch_size=4"]


def quarantined(run: Path) -> set[str]:
    lines = (run / "quarantine.jsonl").read_text().splitlines()
    return {json.loads(line)["row"] for line in lines}


def test_every_process_leaves_the_same_bad_rows_out_also_after_a_stop(place: Path) -> None:
    words = {"one": ["devices.per_device_batch_size=4"], "stopped": TWO}
    pictures: list[tuple[Path, bytes]] = []
    for name in words:
        recipe, run = seeing_recipe(place, name, pictures), place / "runs" / name / name
        if name == "stopped":
            process = start(recipe, *words[name], "devices.bad_rows=2")
            when_at_step(process, run, "sft", 4)
            process.send_signal(signal.SIGINT)
            status, output = finished(process)
            assert status == 130, output
            assert not left_over(process)
            assert len(quarantined(run)) == 2
            for picture, whole in pictures:  # too late for this stage
                picture.write_bytes(whole)
        status, output = command(recipe, *words[name], "devices.bad_rows=2")
        assert status == 0, output
        assert quarantined(run) == {"drawn/count/5", "drawn/count/6"}
    one, stopped = (metrics(place / "runs" / name / name) for name in words)
    assert [row["label_weight"] for row in one] == [row["label_weight"] for row in stopped]
    assert [row["loss"] for row in stopped] == pytest.approx([row["loss"] for row in one], rel=2e-3)
    status, output = command(recipe, *TWO, "name=strict")  # of the same stage, and no bad row allowed
    assert status == 2
    assert "was trained without 2 rows that could not be used (count drawn/count/5, count drawn/count/6)" in output


def test_one_bad_row_too_many_stops_both_processes_with_one_message(place: Path) -> None:
    recipe = seeing_recipe(place, "many", [], bad=3)
    status, output = command(recipe, *TWO, "devices.bad_rows=2", "devices.workers=1")
    assert status == 2, output
    assert "Traceback" not in output, output
    assert output.count("error: ") == 1, output
    assert "one bad row more than devices.bad_rows: 2" in output
    assert not (place / "runs" / "many" / "many" / "sft" / "checkpoint").exists()


def test_a_fault_between_two_stages_is_told_once_and_no_process_is_left(place: Path) -> None:
    values = recipe_values(place, name="between", evaluation={"tasks": []})
    values["stages"]["align"] |= {"train": {"vision_encoder": 1.0e-3}, "mix": {"document": 1}}
    values["stages"]["sft"]["mix"] = {"count": 1}  # its encoder is frozen: pictures are opened before it begins
    picture = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))[5]
    picture.write_bytes(picture.read_bytes()[:200])
    status, output = command(write_recipe(place, values), *TWO)
    assert status == 2, output
    assert output.count("error: ") == 1
    assert picture.name in output
