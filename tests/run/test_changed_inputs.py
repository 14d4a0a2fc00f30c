"""Rows or questions that change while a run is not done: it does not go on over them as if they were the same."""

import json
from pathlib import Path

import pytest
from run_fakes import recipe_values, write_recipe

from data_builders.shared.files import read_jsonl, sha256_file, write_json, write_jsonl
from fgtrain.__main__ import main
from fgtrain.errors import UserError


def one_stage(place: Path, **evaluation: object) -> str:
    values = recipe_values(place, evaluation=evaluation)
    values["stages"]["sft"]["enabled"] = False
    values["stages"]["align"]["mix"] = {"count": 1}
    return str(write_recipe(place, values))


def rewrite(training_set: Path, rows: list[dict]) -> None:
    """As a builder would: rows and the manifest that vouches for them."""
    write_jsonl(training_set / "rows.jsonl", rows)
    manifest = json.loads((training_set / "manifest.json").read_text())
    changed = {"rows": len(rows), "sha256": sha256_file(training_set / "rows.jsonl")}
    write_json(training_set / "manifest.json", manifest | changed)


def test_a_run_does_not_go_on_over_other_rows(place: Path, capfd: pytest.CaptureFixture) -> None:
    recipe, training_set = one_stage(place, tasks=[]), place / "world" / "general" / "count" / "train"
    rows = list(read_jsonl(training_set / "rows.jsonl"))
    rewrite(training_set, rows[:-1])
    main([recipe, "--prepare"])  # nothing is learnt yet, so nothing is lost with other rows
    rewrite(training_set, rows)
    main([recipe])
    rewrite(training_set, rows[1:])
    for words in ([], ["--only", "align"], ["--report"]):
        with pytest.raises(UserError) as caught:
            main([recipe, *words])
        for word in ("data.count is not what stage align", "rows.jsonl has 23 rows", "had 24", "name=ANOTHER_NAME"):
            assert word in str(caught.value)
    rewrite(training_set, rows)
    capfd.readouterr()
    main([recipe])
    assert "stage align: done before" in capfd.readouterr().out


def test_checkpoints_that_were_asked_different_questions_are_not_compared(place: Path) -> None:
    recipe = one_stage(place, tasks=["drawn_count"], at=["start", "align"])
    main([recipe])
    run = place / "runs" / "tiny"
    questions = next((place / "world" / "general" / "count").rglob("*question*.jsonl"))
    rows = list(read_jsonl(questions))
    changed = [rows[0] | {"answer": "nine"}, *rows[1:]]
    write_jsonl(questions, changed)
    main([recipe, "--evaluate", "align"])
    with pytest.raises(UserError) as caught:
        main([recipe, "--report"])
    assert "its question file was changed after checkpoint start" in str(caught.value)
    assert "--evaluate start" in str(caught.value)
    main([recipe, "--evaluate", "start"])
    main([recipe, "--report"])
    write_jsonl(questions, rows[::-1])  # a run as a whole asks all its checkpoints again
    main([recipe])
    asked = [found["questions"] for found in json.loads((run / "scores.json").read_text())["checkpoints"]]
    assert len(asked) == 2
    assert asked[0] == asked[1]
