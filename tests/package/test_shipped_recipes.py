"""`fgtrain recipes`: what comes with the program is found by name, and its copy stands alone."""

import re
from pathlib import Path

import pytest

from fgtrain.__main__ import main
from fgtrain.errors import UserError
from fgtrain.recipe import as_values, load_study
from fgtrain.shipped import RECIPES, SHIPPED, shipped_recipes

# One of each way that a file names another: extends, a chain of it, base, an arm's recipe, parts, a file for a builder.
COPIED = (
    "align_fg10_mosaic",
    "studies/placement",
    "mini/sft_then_fg_attention",
    "mini/studies/demo",
    "mini/worlds/mixed",
)


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", COPIED)
def test_a_copy_means_the_same_without_the_original(name, tmp_path, monkeypatch, capsys):
    shipped = [as_values(one.recipe) for one in load_study([str(RECIPES / f"{name}.yaml")]).recipes]
    monkeypatch.chdir(tmp_path)
    assert main(["recipes", "copy", name]) == 0
    assert [as_values(one.recipe) for one in load_study([f"recipes/{name}.yaml"]).recipes] == shipped
    text = "\n".join(path.read_text() for path in Path("recipes").rglob("*.yaml"))
    parts = {part for part in re.findall(r": (recipes/[\w/.]+)", text) if "scratch" not in part}
    assert all(Path(part).exists() for part in parts)
    assert all((SHIPPED / file).read_bytes() == file.read_bytes() for file in files(Path()))
    assert f"its plan: python -m fgtrain recipes/{name}.yaml --plan" in capsys.readouterr().out
    before = files(tmp_path)
    assert main(["recipes", "copy", name]) == 0  # what is there and equal stays
    assert files(tmp_path) == before


def test_files_of_builders_are_copied_with_the_studies_that_name_them(tmp_path):
    assert main(["recipes", "copy", "mini/studies/five_way", "--to", str(tmp_path)]) == 0
    assert (tmp_path / "recipes/mini/confusions.json").is_file()


def test_own_changes_are_never_overwritten(tmp_path):
    own = tmp_path / "recipes/general.yaml"
    own.parent.mkdir()
    own.write_text("name: mine\n")
    with pytest.raises(UserError, match=r"general\.yaml is there already and differs"):
        main(["recipes", "copy", "align_fg10", "--to", str(tmp_path)])
    assert files(tmp_path) == {Path("recipes/general.yaml")}
    assert own.read_text() == "name: mine\n"


def test_the_list_has_every_recipe_with_what_it_says_of_itself(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 80
    for name in shipped_recipes():
        assert any(re.match(rf"{name} +[\w\"]", line) for line in lines), name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("align_fg10", r"^no recipe align_fg10\. .*python -m fgtrain recipes copy align_fg10$"),
        ("recipes/aling_fg10.yml", r"align_fg10 comes with the program; copy it: .* recipes copy align_fg10$"),
        (
            "nothing-like-it",
            r"^no recipe nothing-like-it\. Those that .*: python -m fgtrain recipes$",
        ),
        ("recipes copy placement", r"^placement may be studies/placement or mini/studies/placement\."),
        ("recipes copy alin_fg10", r"Did you mean align_fg10\?"),
        ("recipes copy mini/worlds/base", r"needs recipes/mini/worlds/start/language_model, which does not come"),
        ("exprot runs/x", r"^no recipe and no command exprot\. Did you mean export\?"),
    ],
)
def test_a_name_that_is_no_file_is_told_what_to_type(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        main(words.split())
    assert files(tmp_path) == set()
