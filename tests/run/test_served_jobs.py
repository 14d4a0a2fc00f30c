"""evaluation.engine: vllm. A stand-in serves the very folder through transformers alone: it must answer as own does."""

import json
import sys
from pathlib import Path

import pytest
from run_fakes import jobs_left, recipe_values, run_recipe, write_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from family_fakes import LONGEST, write_family

from data_builders.build import build
from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe, load_recipe

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """The stand-in, as a user has installed vLLM."""
    program = tmp_path / "venv" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS / "evaluation" / "vllm_stand_in.py"} "$@"\n')
    program.chmod(0o755)
    how = {"starts": str(tmp_path / "starts.jsonl"), "says": "model", "helpers": str(TESTS / "model")}
    monkeypatch.setenv("STAND_IN", json.dumps(how))
    monkeypatch.setenv("FGTRAIN_VLLM", str(program))
    return program


def recipe_of(place: Path, released: Path, name: str, engine: str, **evaluation: object) -> Recipe:
    values = recipe_values(place, name=name, prepare=[], data={}, stages={})
    values["model"] = {"checkpoint": str(released), "max_tokens": LONGEST}
    values["evaluation"] = {"tasks": ["drawn_count"], "engine": engine, "data": ["{data_root}"], **evaluation}
    return load_recipe(write_recipe(place, values))


def rows(recipe: Recipe) -> list[dict]:
    path = recipe.run_folder / "answers" / "start" / "drawn__count.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def starts(place: Path) -> list[dict]:
    path = place / "starts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("kind", ["llava", "qwen2_5_vl"])
def test_a_served_checkpoint_answers_as_its_own_engine_does(place: Path, installed: Path, kind: str) -> None:
    """The same text, the same pixels, the same weights: greedy answers of fp32 weights are the same, word by word."""
    released = write_family(kind, place / "released")
    # Names by likelihood are asked by own in any case: a server gives no probabilities of them.
    options = {"source": "cub", "dataset": "drawn", "kinds": "short_answer", "levels": "species"}
    build("fgbmk", root=place / "world" / "CUB_200_2011", out=place / "world", options=options)
    tasks = ["drawn_count", "names"]
    own, asked = (recipe_of(place, released, name, name, tasks=tasks) for name in ("own", "vllm"))
    run_recipe(own)
    assert not starts(place)
    # The same checkpoint was asked before, by the other engine: nothing of that counts.
    assert [job.kind for job in jobs_left(asked)] == ["prepare", "evaluate", "report"]
    run_recipe(asked)
    [started] = starts(place)
    assert started["words"][started["words"].index("--dtype") + 1] == "float32"
    assert Path(started["words"][1]).name == "vllm"
    assert not Path(started["words"][1]).exists(), "it is exported for the servers alone"
    mine, theirs = rows(own), rows(asked)
    assert [row["prompt"] for row in mine] == [row["prompt"] for row in theirs]
    assert [row["answer"] for row in mine] == [row["answer"] for row in theirs]
    assert len({row["answer"] for row in mine}) > 1
    assert all("options_log_probability" not in row and row["served_by"] for row in theirs)
    assert {row["settings_hash"] for row in mine}.isdisjoint(row["settings_hash"] for row in theirs)
    # Each engine's answers and scores are kept beside the other's.
    assert jobs_left(asked) == []
    assert jobs_left(own) == []
    assert rows(own) == mine
    [scored] = read_json(asked.run_folder / "scores.json")["checkpoints"]
    assert scored["tasks"].keys() == {"drawn/count", "names/drawn/species"}
    [scored_by_own] = read_json(own.run_folder / "scores.json")["checkpoints"]
    lists = [
        {
            s["metric"]: s["value"]
            for s in one["tasks"]["names/drawn/species"]["scores"]
            if s["metric"] in ("top1", "mrr")
        }
        for one in (scored, scored_by_own)
    ]
    assert lists[0] == pytest.approx(lists[1], abs=0.01), "but for the rounding of other batches"


def test_without_vllm_nothing_begins_and_the_plan_says_so(place: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.delenv("FGTRAIN_VLLM", raising=False)
    recipe = recipe_of(place, place / "released", "vllm", "vllm")
    with pytest.raises(UserError, match=r"vLLM is not installed.*pip install 'vllm.*or write engine: own"):
        jobs_left(recipe)
