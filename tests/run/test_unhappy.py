"""What goes wrong on the user's side: one clear message, exit status 2, no traceback."""

import errno
import json
from pathlib import Path

import pytest
import torch
from run_fakes import command, recipe_values, run_recipe, write_recipe

from data_builders.shared.errors import UserError
from fgtrain.__main__ import main
from fgtrain.errors import TrainingFailedError
from fgtrain.jobs import device_memory, out_of_memory, train
from fgtrain.recipe import load_recipe


def message(place: Path, *words: str, **changes: object) -> str:
    """What running the tiny recipe complains about."""
    path = write_recipe(place, recipe_values(place, **changes))
    with pytest.raises(UserError) as caught:
        run_recipe(load_recipe(path, list(words)))
    return str(caught.value)


def test_a_mistake_ends_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    for words in (["nowhere.yaml"], [str(tmp_path)], []):
        status, output = command(Path(words[0]) if words else Path("seed=1"))
        assert status == 2
        assert "Traceback" not in output
        assert output.startswith("error: ")


def test_what_is_wrong_in_a_job_is_said_as_what_is_wrong_in_a_recipe(place: Path) -> None:
    next((place / "world" / "general" / "count" / "images").glob("train_*")).unlink()
    status, output = command(write_recipe(place, recipe_values(place, evaluation={"tasks": []})))
    assert status == 2, output
    assert "Traceback" not in output, output
    assert output.count("error: ") == 1, output
    assert "drawn/count/" in output.splitlines()[-2], "what follows says only what was not begun"


def test_what_cannot_be_run_is_said_at_once_before_anything_is_built(tmp_path: Path) -> None:
    assert "model.max_tiles" in message(tmp_path, "model.max_tiles=6")
    assert "tasks.0 is chartqb, which no task" in message(tmp_path, "evaluation.tasks=[chartqb]")
    assert not (tmp_path / "world").exists()


def test_missing_deepspeed_names_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = message(tmp_path, "devices.strategy=deepspeed_stage_2")
    assert "devices.strategy is deepspeed_stage_2" in text
    assert "pip install 'deepspeed" in text
    assert not (tmp_path / "world").exists()


def test_missing_data_names_the_command_that_builds_it(place: Path) -> None:
    text = message(place, f"data_root={place / 'elsewhere'}", "prepare=[]")
    assert "no manifest at" in text
    assert "python -m data_builders" in text
    values = recipe_values(place)["data"]
    values["short"]["root"] = str(place / "not_downloaded")
    text = message(place, data=values)
    assert text.startswith("data.short: there is no ")
    assert "python -m data_builders short_answer --root" in text


def test_a_row_without_its_image_is_named_before_training(place: Path) -> None:
    picture = next((place / "world" / "general" / "count" / "images").glob("train_*"))
    picture.unlink()
    text = message(place)
    number = int(picture.stem.split("_")[1])
    assert f"drawn/count/{number}" in text
    assert picture.name in text


def test_a_truncated_image_stops_the_run_or_goes_to_quarantine_under_a_quota(place: Path) -> None:
    picture = sorted((place / "world" / "general" / "count" / "images").glob("train_*"))[3]
    picture.write_bytes(picture.read_bytes()[:200])
    text = message(place, "evaluation.tasks=[]")
    assert picture.name in text
    recipe = load_recipe(
        write_recipe(place, recipe_values(place)), ["evaluation.tasks=[]", "devices.bad_rows=1", "name=with_quota"]
    )
    run_recipe(recipe)
    rows = [json.loads(line) for line in (recipe.run_folder / "quarantine.jsonl").read_text().splitlines()]
    assert {row["row"] for row in rows} == {"drawn/count/3"}
    assert all(row["reason"] for row in rows)


def test_no_space_left_is_said_and_nothing_half_written_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", full)
    text = message(place, "evaluation.tasks=[]")
    assert "no space left" in text
    assert not list((place / "runs" / ".stages").glob("*/checkpoint"))


def test_an_unknown_builder_or_option_says_what_there_is(place: Path) -> None:
    values = recipe_values(place)["data"]
    values["short"]["what"] = "shortanswer"
    assert "data.short.what is shortanswer, which is no builder" in message(place, data=values)
    values["short"] |= {"what": "short_answer", "options": {"sorce": "cub"}}
    text = message(place, data=values)
    assert text.startswith("data.short: ")
    assert "sorce" in text


def test_weights_that_are_not_there_are_named_with_their_key(place: Path) -> None:
    model = recipe_values(place)["model"] | {"language_model": str(place / "no_weights"), "from_scratch": []}
    text = message(place, model=model)
    assert "model." in text
    assert "no_weights" in text


def test_two_recipes_of_one_name_are_refused(place: Path) -> None:
    path = write_recipe(place, recipe_values(place))
    with pytest.raises(UserError, match="run folder of its own"):
        main([str(path), str(path)])


def test_out_of_memory_names_the_micro_batch_that_would_fit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(write_recipe(place, recipe_values(place)))

    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    needs = {8: 30, 4: 20, 2: 9, 1: 5}
    monkeypatch.setattr(train, "run_stage", full)
    with monkeypatch.context() as known:
        known.setattr(out_of_memory, "device_memory", lambda: 10 << 30)
        known.setattr(out_of_memory, "predicted", lambda recipe, name, data, n: needs[n] << 30)
        with pytest.raises(TrainingFailedError) as failed:
            run_recipe(recipe)
        needs |= {2: 19, 1: 18}
        with pytest.raises(TrainingFailedError, match=r"Even devices.per_device_batch_size=1 needs.*activation_chec"):
            run_recipe(recipe)
    text = str(failed.value)
    assert "stage align ran out of memory: the plan predicts 30.0 GiB for devices.per_device_batch_size=8" in text
    assert "Write devices.per_device_batch_size=2 (9.0 GiB by the plan)" in text


def test_a_stage_that_does_not_fit_its_device_is_refused_before_it_is_prepared_or_trained(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(write_recipe(place, recipe_values(place)))
    monkeypatch.setattr(device_memory, "device_memory", lambda: 25 << 20)
    with pytest.raises(UserError, match=r"^Stage sft needs .* on a device that has 25.0 MiB. Write devices\.\w+=.* \("):
        run_recipe(recipe)
    assert not (place / "runs" / recipe.name / "plan.json").exists()
