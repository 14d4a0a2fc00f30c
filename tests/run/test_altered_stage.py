"""A run takes no stage from the store that is not what was saved there."""

from pathlib import Path

import pytest
from run_fakes import recipe_values, run_recipe, write_recipe

from fgtrain.__main__ import main
from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe


def test_a_stage_that_was_altered_is_not_taken_as_done(place: Path, capfd: pytest.CaptureFixture) -> None:
    values = recipe_values(place, evaluation={"tasks": []})
    values["stages"]["sft"]["enabled"] = False
    recipe = write_recipe(place, values)
    run_recipe(load_recipe(recipe))
    checkpoint = next((place / "runs" / ".stages").glob("*/checkpoint"))
    weights = checkpoint / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError) as caught:
        main([str(recipe)])
    for word in (str(weights), "altered or cut off", f"Remove {checkpoint}"):
        assert word in str(caught.value)
    assert weights.is_file(), "what a person may want to look at stays"
    weights.write_bytes(whole)
    capfd.readouterr()
    main([str(recipe)])
    assert "nothing to do" in capfd.readouterr().out
    (checkpoint / "config.json").unlink()  # half of a copy
    with pytest.raises(UserError, match=r"config.json is missing"):
        main([str(recipe)])
