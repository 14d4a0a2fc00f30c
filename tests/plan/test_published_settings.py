"""The table of published settings says of every key what the recipe says."""

import re
from pathlib import Path

import pytest
import yaml

from fgtrain.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "published_settings.md").read_text(encoding="utf-8")
TABLES = dict(zip(*[iter(re.split(r"^## (\w+)$", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))


@pytest.mark.parametrize("name", TABLES)
def test_the_table_says_what_the_recipe_says(name):
    values = load_recipe(ROOT / "recipes" / f"{name}.yaml").model_dump(mode="json")
    rows = re.findall(r"^\| ([\w.]+) \| [^|]+ \| `([^`]+)` \|", TABLES[name], flags=re.MULTILINE)
    assert rows
    for key, value in rows:
        found = values
        for part in key.split("."):
            found = found[part]
        assert found == yaml.safe_load(value), key


def test_every_family_of_full_scale_recipes_has_its_table():
    bases = {path.stem for path in (ROOT / "recipes").glob("*_general.yaml")} | {"general"}
    assert bases <= TABLES.keys()
