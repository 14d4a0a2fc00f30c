"""A picture that one of two processes cannot read ends both, with one message, however often it is tried."""

from pathlib import Path

import pytest
from law_fakes import TWO, law_recipe
from run_fakes import command

LEARNS = {"vision_encoder": 1.0e-3, "projector": 1.0e-3}  # so that pictures are opened while it trains


@pytest.mark.parametrize("starts", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_a_picture_that_cannot_be_read_ends_both_processes_with_one_message(place: Path, starts: int) -> None:
    picture = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))[5]
    picture.write_bytes(picture.read_bytes()[:200])
    sft = {"train": LEARNS, "mix": {"count": 1}, "global_batch_size": 8}
    recipe = law_recipe(place, stages={"sft": sft}, evaluation={"tasks": []})
    for _ in range(starts):
        status, output = command(recipe, *TWO)  # ends when all processes have
        assert status == 2, output
        assert output.count("error: ") == 1, output
        assert picture.name in output
        assert "Traceback" not in output, output
