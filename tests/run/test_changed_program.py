"""Code that has changed since a run was made: what it decides is made anew, with the reason, and nothing else is."""

from pathlib import Path

import pytest
from run_fakes import recipe_values, run_recipe, write_recipe

from data_builders import builder_code, short_answer
from data_builders.shared.code_identity import CodeIdentity, code_of
from fgtrain.model import load_checkpoint, weights_hash
from fgtrain.plan import versions
from fgtrain.recipe import Recipe, load_recipe


def one_stage(place: Path, **evaluation: object) -> Recipe:
    values = recipe_values(place, evaluation=evaluation)
    values["stages"]["sft"]["enabled"] = False
    values["stages"]["align"]["mix"] = {"short": 0.5}
    return load_recipe(write_recipe(place, values))


def other(code: CodeIdentity, file: str) -> CodeIdentity:
    """The same code after an edit of `file`."""
    assert file in code.files
    return CodeIdentity("0" * 16, {**code.files, file: "0"})


def start(recipe: Recipe, capfd: pytest.CaptureFixture) -> tuple[list[str], Path]:
    """(lines that were printed, the checkpoint that the run shows)."""
    capfd.readouterr()
    run_recipe(recipe)
    return "".join(capfd.readouterr()).splitlines(), (recipe.run_folder / "align/checkpoint").resolve()


def test_other_training_code_trains_anew_and_says_why(place, capfd, monkeypatch) -> None:
    recipe = one_stage(place, tasks=[])
    _, first = start(recipe, capfd)
    made = load_checkpoint(first)
    trains, file = versions.training_code, "fgtrain/model/lvlm.py"

    def changed(by: str, *top: Path) -> CodeIdentity:
        return other(trains(by, *top), file) if by == "answers" else trains(by, *top)

    monkeypatch.setattr(versions, "training_code", changed)
    lines, second = start(recipe, capfd)
    assert f"stage align: code of {file} changed since it was trained; trained anew" in lines
    assert first != second
    assert weights_hash(load_checkpoint(second)) == weights_hash(made), "nothing but its name was changed here"
    assert first.is_dir(), "other runs may show it"


def test_a_set_that_other_code_builds_alike_is_built_anew_and_nothing_is_trained(place, capfd, monkeypatch) -> None:
    recipe = one_stage(place, tasks=["drawn_count"], at=["align"])
    _, first = start(recipe, capfd)
    monkeypatch.setattr(builder_code, "code_of", lambda *roots: other(code_of(*roots), "data_builders/records.py"))
    lines, second = start(recipe, capfd)
    why = "code of data_builders/records.py changed since it was built; built anew"
    for what, folder in (("drawn", place / "world"), ("short_answer", place / "built/short")):
        assert f"{what}: {folder}: {why}" in lines
    assert any(line.startswith("stage align: done before") for line in lines)
    assert "evaluation: align, done before" in lines
    assert first == second
    lines, _ = start(recipe, capfd)
    assert not any("anew" in line for line in lines)


def test_a_set_that_other_code_builds_otherwise_trains_anew(place, capfd, monkeypatch) -> None:
    recipe = one_stage(place, tasks=[])
    _, first = start(recipe, capfd)
    monkeypatch.setattr(builder_code, "code_of", lambda *roots: other(code_of(*roots), "data_builders/records.py"))
    monkeypatch.setattr(short_answer, "row_id", lambda *address: "renamed/" + "/".join(map(str, address)))
    lines, second = start(recipe, capfd)
    assert "stage align: other code has built short with other rows; trained anew" in lines
    assert first != second


def test_question_files_that_other_code_builds_are_built_anew(place, capfd, monkeypatch) -> None:
    recipe = one_stage(place, tasks=["fgbmk"], at=["align"])
    start(recipe, capfd)
    file = "data_builders/fgbmk/hierarchy.py"

    def code(*roots: str) -> CodeIdentity:
        found = code_of(*roots)
        return other(found, file) if file in found.files else found

    monkeypatch.setattr(builder_code, "code_of", code)
    lines, _ = start(recipe, capfd)
    built = [line for line in lines if line.endswith("changed since it was built; built anew")]
    assert [line.split(":")[0] for line in built] == ["fgbmk"]
    assert "evaluation: align, done before" in lines, "the same questions"
