"""What goes wrong in the middle of a run, with several processes at work: all of them stop or go on alike."""

import json
from pathlib import Path

import pytest
from run_fakes import command, metrics, recipe_values, write_recipe


def seeing_recipe(place: Path, name: str, bad: int) -> Path:
    """A recipe whose encoder learns, so that pictures are opened while it trains; `bad` of them cannot be read."""
    pictures = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))
    for picture in pictures[5 : 5 + bad]:
        picture.write_bytes(picture.read_bytes()[:200])
    values = recipe_values(place, name=name)
    values["stages"] = {
        "sft": {
            "train": {"vision_encoder": 1.0e-3, "projector": 1.0e-3},
            "mix": {"count": 2},
            "global_batch_size": 8,
        }
    }
    values["evaluation"] = {"tasks": []}
    values["runs_root"] = str(place / "runs" / name)
    return write_recipe(place, values)


TWO = ["devices.count=2", "devices.per_device_batch_size=4"]


def quarantined(place: Path, name: str) -> set[str]:
    lines = (place / "runs" / name / name / "quarantine.jsonl").read_text().splitlines()
    return {json.loads(line)["row"] for line in lines}


def test_two_processes_leave_the_same_bad_rows_out_as_one(place: Path) -> None:
    for name, words in (("one", ["devices.per_device_batch_size=4"]), ("two", TWO)):
        status, output = command(seeing_recipe(place, name, bad=2), *words, "devices.bad_rows=2")
        assert status == 0, output
    assert quarantined(place, "one") == quarantined(place, "two") == {"drawn/count/5", "drawn/count/6"}
    one, two = (metrics(place / "runs" / name / name) for name in ("one", "two"))
    assert [row["label_weight"] for row in one] == [row["label_weight"] for row in two]
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], rel=2e-3)


@pytest.mark.parametrize("workers", [0, 1])
def test_one_bad_row_too_many_stops_both_processes_with_one_message(place: Path, workers: int) -> None:
    recipe = seeing_recipe(place, "many", bad=3)
    status, output = command(recipe, *TWO, "devices.bad_rows=2", f"devices.workers={workers}")
    assert status == 2, output
    assert "Traceback" not in output, output
    assert output.count("error: ") == 1, output
    assert "one bad row more than devices.bad_rows: 2" in output
    assert not (place / "runs" / "many" / "many" / "sft" / "checkpoint").exists()


def test_no_process_is_left_when_the_first_one_fails_between_two_stages(place: Path) -> None:
    """It fails alone there, while the other waits for its word and may be on a GPU that somebody else wants."""
    values = recipe_values(place, name="between", evaluation={"tasks": []})
    values["stages"]["align"] |= {"train": {"vision_encoder": 1.0e-3}, "mix": {"document": 1}}
    values["stages"]["sft"]["mix"] = {"count": 1}  # its encoder is frozen: pictures are opened before it begins
    picture = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))[5]
    picture.write_bytes(picture.read_bytes()[:200])
    status, output = command(write_recipe(place, values), *TWO)  # returns when nobody has its output open any more
    assert status == 2, output
    assert "stage align: step" in output
    assert output.count("error: ") == 1
    assert picture.name in output
