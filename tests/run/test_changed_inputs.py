"""Rows or questions that change while a run is not done: it does not go on over them as if they were the same."""

import json
from pathlib import Path

import pytest
from run_fakes import command, jobs_left, one_kind, recipe_values, run_recipe, write_recipe

from data_builders.built_from import RECORD
from data_builders.shared.files import read_jsonl, sha256_file, write_json, write_jsonl
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe, load_recipe


def one_stage(place: Path, **evaluation: object) -> Recipe:
    values = recipe_values(place, evaluation=evaluation)
    values["stages"]["sft"]["enabled"] = False
    values["stages"]["align"]["mix"] = {"count": 1}
    return load_recipe(write_recipe(place, values))


def rewrite(training_set: Path, rows: list[dict]) -> None:
    """As a builder would: rows and the manifest that vouches for them."""
    write_jsonl(training_set / "rows.jsonl", rows)
    manifest = json.loads((training_set / "manifest.json").read_text())
    changed = {"rows": len(rows), "sha256": sha256_file(training_set / "rows.jsonl")}
    write_json(training_set / "manifest.json", manifest | changed)


def test_a_run_does_not_go_on_over_other_rows(place: Path) -> None:
    recipe, training_set = one_stage(place, tasks=[]), place / "world" / "general" / "count" / "train"
    rows = list(read_jsonl(training_set / "rows.jsonl"))
    rewrite(training_set, rows[:-1])
    one_kind(recipe, "prepare")  # nothing is learnt yet, so nothing is lost with other rows
    rewrite(training_set, rows)
    run_recipe(recipe)
    rewrite(training_set, rows[1:])
    with pytest.raises(UserError) as caught:
        run_recipe(recipe)
    for word in ("data.count is not what stage align", "count/train has 23 rows", "had 24", "name=ANOTHER_NAME"):
        assert word in str(caught.value)
    rewrite(training_set, rows)
    status, output = command(place / "tiny.yaml")
    assert status == 0, output
    assert "nothing to do" in output


def test_questions_that_change_are_asked_of_all_checkpoints_anew(place: Path) -> None:
    """Checkpoints that were asked different questions cannot be compared."""
    recipe = one_stage(place, tasks=["drawn_count"], at=["start", "align"])
    run_recipe(recipe)
    (place / "world" / RECORD).unlink()  # or its builder would put its own questions back

    def scores() -> list[tuple[dict, float]]:
        found = json.loads((recipe.run_folder / "scores.json").read_text())["checkpoints"]
        return [(one["questions"], one["tasks"]["drawn/count"]["scores"][0]["n"]) for one in found]

    first = scores()
    questions = next((place / "world" / "general" / "count").rglob("*question*.jsonl"))
    rows = list(read_jsonl(questions))
    write_jsonl(questions, rows[1:])
    assert one_kind(recipe, "evaluate") == ["ask start", "ask align"]
    assert [job.title for job in jobs_left(recipe)] == ["report of tiny"], "it tells of other answers"
    run_recipe(recipe)
    second = scores()
    assert [n for _, n in first] == [len(rows)] * 2
    assert [n for _, n in second] == [len(rows) - 1] * 2
    assert second[0][0] == second[1][0] != first[0][0]
    write_jsonl(questions, rows)
    assert one_kind(recipe, "evaluate") == [], "both were asked before"
    run_recipe(recipe)
    assert scores() == first
