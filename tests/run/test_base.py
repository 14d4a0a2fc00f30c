"""The drawn miniatures' shipped parts are what recipes/mini/base.yaml and recipes/mini/worlds/base.yaml make."""

import json
from pathlib import Path

import pytest
from run_fakes import REPOSITORY
from transformers import AutoTokenizer

from data_builders.drawn.worlds import facts
from data_builders.shared.files import sha256_file
from evaluation.scoring.rules.names import released, strict
from fgtrain.__main__ import main
from fgtrain.export_parts import export_parts

BASE = REPOSITORY / "recipes" / "mini" / "base"
WORLDS = REPOSITORY / "recipes" / "mini" / "worlds" / "base"


@pytest.mark.parametrize(("base", "most"), [(BASE, 5_000_000), (WORLDS, 3_000_000)], ids=["mini", "worlds"])
def test_the_shipped_parts_are_the_recorded_ones_and_small(base: Path, most: int) -> None:
    made_by = json.loads((base / "made_by.json").read_text())
    weights = {folder.name: folder / "model.safetensors" for folder in base.iterdir() if folder.is_dir()}
    assert {name: sha256_file(path) for name, path in weights.items()} == made_by["sha256"]
    assert sum(path.stat().st_size for path in base.rglob("*") if path.is_file()) <= most


def test_the_worlds_words_are_those_of_the_miniature_and_more() -> None:
    """The parts of recipes/mini/base are gone on from, so every old word keeps its number."""

    def words(folder: Path) -> dict[str, int]:
        return json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]

    known, grown = words(BASE / "language_model"), words(WORLDS / "language_model")
    assert grown == words(WORLDS.parent / "words")
    assert len(grown) > len(known)
    assert all(grown[word] == number for word, number in known.items())


def test_every_name_of_the_worlds_can_be_said_as_it_is_asked_for() -> None:
    """What the words of a name make, put together again, is the name: under every rule it is right."""
    tokenizer = AutoTokenizer.from_pretrained(WORLDS / "language_model")
    names = {name for one in facts.everything() for name in (one.name, *one.parents.values())}
    assert len(names) > 150
    for name in names:
        words = tokenizer(name, add_special_tokens=False).input_ids
        said = tokenizer.decode(words)
        assert tokenizer.unk_token_id not in words, name
        assert (said, released(said, name).score, strict(said, name).score) == (name.lower(), 1.0, 1.0)


@pytest.mark.slow
def test_the_recipe_makes_them_again(tmp_path: Path) -> None:
    """Same fingerprints: same data, same steps. Weights differ in their last bits from one processor to another."""
    words = [f"built_root={tmp_path}", f"data_root={tmp_path}/world", f"runs_root={tmp_path}/runs"]
    assert main([str(REPOSITORY / "recipes" / "mini" / "base.yaml"), *words]) == 0
    again = export_parts(tmp_path / "runs" / "mini_base", tmp_path / "base")
    assert again["stages"] == json.loads((BASE / "made_by.json").read_text())["stages"]
    scores = json.loads((tmp_path / "runs" / "mini_base" / "scores.json").read_text())
    tasks = scores["checkpoints"][-1]["tasks"]
    assert tasks["drawn/document"]["scores"][0]["value"] >= 90
    assert tasks["drawn/count"]["scores"][0]["value"] >= 70
