"""A recipe from data to report, and what must not change its result."""

import json
from pathlib import Path

import pytest
from run_fakes import jobs_left, losses, metrics, recipe_values, run_recipe, write_recipe

from data_builders.shared.errors import UserError
from fgtrain.model import load_checkpoint, weights_hash
from fgtrain.recipe import load_recipe
from fgtrain.runs.names import read_names


def run(place: Path, *overrides: str, **changes: object) -> Path:
    """Run the tiny recipe in this process; returns its run folder."""
    values = recipe_values(place, **changes)
    recipe = load_recipe(write_recipe(place, values), list(overrides))
    run_recipe(recipe)
    return recipe.run_folder


def final_weights(folder: Path, stage: str = "sft") -> str:
    return weights_hash(load_checkpoint(folder / stage / "checkpoint"))


def test_a_recipe_goes_from_data_to_report(place: Path) -> None:
    folder = run(place)
    scores = json.loads((folder / "scores.json").read_text())
    assert [checkpoint["name"] for checkpoint in scores["checkpoints"]] == ["start", "align", "sft"]
    assert set(scores["checkpoints"][0]["tasks"]) == {"fgbmk/drawn/species/short_answer", "drawn/count"}
    plan = json.loads((folder / "plan.json").read_text())
    assert [(row["stage"], row["step"]) for row in metrics(folder)] == [
        (stage["name"], step) for stage in plan["stages"] for step in range(1, stage["steps"] + 1)
    ]
    assert metrics(folder)[-1]["samples_seen"] == plan["samples"]
    assert all(stage["tokens"] and not stage["provisional"] for stage in plan["stages"])
    assert plan["versions"]["torch"]
    page = (folder / "report.html").read_text()
    assert "drawn/count" in page
    assert load_recipe(folder / "recipe.resolved.yaml").name == "tiny"
    assert [one.source for one in read_names(folder).lists] == ["cub"]
    assert not list((folder / "sft").glob("resume/*"))


def test_equal_stages_are_done_once_and_only_the_new_one_is_trained(place: Path) -> None:
    first = run(place)
    made = (first / "sft" / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    values = recipe_values(place, name="longer")
    values["stages"]["fg"] = {"train": {"projector": 1e-3}, "mix": {"short": 0.5}, "global_batch_size": 8}
    recipe = load_recipe(write_recipe(place, values))
    assert [job.title for job in jobs_left(recipe) if job.kind == "train"] == ["train fg"]
    run_recipe(recipe)
    second = recipe.run_folder
    assert (second / "sft" / "checkpoint" / "model.safetensors").stat().st_mtime_ns == made
    # the rows of the shared stages are in the second run's curves too, and counting goes on behind them
    assert losses(second)[: len(losses(first))] == losses(first)
    assert metrics(second)[-1]["samples_seen"] == metrics(first)[-1]["samples_seen"] + 16
    assert (second / "answers" / "sft").resolve() == (first / "answers" / "sft").resolve()


def test_the_same_recipe_elsewhere_gives_the_same_weights(place: Path) -> None:
    once = final_weights(run(place))
    again = final_weights(run(place, f"runs_root={place / 'elsewhere'}"))
    assert once == again


def test_accumulation_changes_nothing(place: Path) -> None:
    whole = run(place, "evaluation.tasks=[]", f"runs_root={place / 'whole'}")
    parts = run(place, "evaluation.tasks=[]", f"runs_root={place / 'parts'}", "devices.per_device_batch_size=2")
    for (*where, a), (*same, b) in zip(losses(whole), losses(parts), strict=True):
        assert where == same
        assert b == pytest.approx(a, rel=2e-4)
    for a, b in zip(metrics(whole), metrics(parts), strict=True):
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=2e-3)


def test_a_stage_that_is_switched_off_does_not_exist(place: Path) -> None:
    values = recipe_values(place)
    values["stages"]["align"]["enabled"] = False
    recipe = load_recipe(write_recipe(place, values))
    run_recipe(recipe)
    assert {row["stage"] for row in metrics(recipe.run_folder)} == {"sft"}
    assert not (recipe.run_folder / "align").exists()


def test_frozen_parts_stay_as_they_were(place: Path) -> None:
    folder = run(place, "evaluation.tasks=[]")
    align, sft = (load_checkpoint(folder / stage / "checkpoint") for stage in ("align", "sft"))

    def equal(part: str) -> list[bool]:
        pairs = zip(align.parts[part].state_dict().values(), sft.parts[part].state_dict().values(), strict=True)
        return [bool((a == b).all()) for a, b in pairs]

    assert all(equal("vision_encoder"))
    assert not all(equal("language_model"))
    assert not all(equal("projector"))


def test_a_run_folder_of_another_recipe_is_refused(place: Path) -> None:
    run(place, "evaluation.tasks=[]")
    with pytest.raises(UserError, match=r"belongs to another recipe: seed was 17, is 18.*name="):
        run(place, "evaluation.tasks=[]", "seed=18")


def test_recipes_that_share_a_stage_see_only_the_subset_that_they_ask(place: Path) -> None:
    def subset(folder: Path) -> dict[tuple, int]:
        """(stage, step) -> questions a task, of what was asked of the subset."""
        return {(row["stage"], row["step"]): row["n"] for row in metrics(folder, "eval") if row["subset"]}

    every = "evaluation.every_steps=2"
    steps = {
        stage: [step for s, step, _ in losses(run(place, every, "evaluation.subset=4")) if s == stage]
        for stage in ("align", "sft")
    }
    between = {(stage, step) for stage, numbers in steps.items() for step in numbers[:-1] if step % 2 == 0}
    ends = {(None, 0), ("align", steps["align"][-1]), ("sft", steps["sft"][-1])}
    assert subset(place / "runs" / "tiny") == dict.fromkeys(between | ends, 4)
    other = run(place, every, "evaluation.subset=3", "name=other")  # all stages are shared: its steps cannot be asked
    assert subset(other) == dict.fromkeys(ends, 3)
    assert not list((other / "subset" / "sft").glob("step*"))
    same = run(place, every, "evaluation.subset=4", "name=same")
    assert subset(same) == dict.fromkeys(between | ends, 4)
    none = run(place, "name=none")
    assert not subset(none)
