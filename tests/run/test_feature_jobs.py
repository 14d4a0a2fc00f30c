"""Features in the recipe: measured once for all checkpoints that share them, shown in figures and report."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from run_fakes import jobs_left, one_kind, recipe_values, run_recipe, write_recipe

from data_builders.shared.files import read_json
from evaluation.features import cache, probe
from fgtrain.errors import UserError
from fgtrain.jobs.features import measure_features
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs import features
from fgtrain.runs.curves import curves
from fgtrain.runs.unmeasured import unmeasured_lines

CUB = {"source": "cub", "root": "{data_root}/CUB_200_2011"}


def measuring(place: Path, name: str = "tiny", stages: bool = True, ask: bool = True, **features: object) -> Recipe:
    """One short stage that moves the projector alone, over pictures that lie there."""
    values = recipe_values(place, name=name)
    align = values["stages"]["align"] | {"mix": {"count": 1}}
    values |= {"stages": {"align": align} if stages else {}, "prepare": []}
    values["data"] = {"count": values["data"]["count"]}
    chosen = {"sources": [CUB], "measures": ["knn", "retrieval"], **features}
    asked = {"tasks": ["drawn_count"], "data": ["{data_root}"], "limit": 2} if ask else {"tasks": []}
    values["evaluation"] = {**asked, "features": chosen}
    return load_recipe(write_recipe(place, values))


def columns(recipe: Recipe) -> list[tuple[str, str]]:
    """(checkpoint, part) of every features.json that the run shows."""
    found = sorted((recipe.run_folder / "features").glob("*/*/features.json"))
    return [(path.parent.parent.name, path.parent.name) for path in found]


def test_what_checkpoints_share_is_measured_once_and_shown_for_each(place: Path) -> None:
    recipe = measuring(place)
    names = [job.name for job in jobs_left(recipe) if job.kind == "features"]
    assert names == ["tiny/features-start-encoder", "tiny/features-start-projector", "tiny/features-align-projector"]
    report = run_recipe(recipe).read_text()
    assert jobs_left(recipe) == []
    assert columns(recipe) == [(name, part) for name in ("align", "start") for part in ("encoder", "projector")]
    assert [title in report for title in ("start = align</th>", "start after its projector", "align after its")]
    assert "Features of tiny, %" in report
    assert "Nearest neighbours, cub after its projector, align: knn, top-1" in report
    rows = [json.loads(line) for line in (recipe.run_folder / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["kind"] == "features"]
    assert {(row["samples_seen"], row["part"]) for row in rows} == {
        (0, "encoder"), (0, "projector"), (24, "encoder"), (24, "projector")
    }  # fmt: skip
    assert {row["task"] for row in rows} == {"features/cub/knn", "features/cub/retrieval"}
    of_encoder = [(row["stage"], row["value"]) for row in rows if row["part"] == "encoder"]
    values = {stage: [value for of, value in of_encoder if of == stage] for stage in (None, "align")}
    assert values[None] == values["align"]


def test_another_run_that_measures_the_same_finds_it_and_one_that_measures_more_does_not(place: Path) -> None:
    run_recipe(measuring(place, stages=False))
    other = measuring(place, "other", stages=False, batch_size=2)
    assert {job.kind for job in jobs_left(other)} == {"prepare", "report"}
    more = measuring(place, "more", stages=False, measures=["knn"], parts=["encoder"], images_per_class=1)
    assert [job.name for job in jobs_left(more) if job.kind == "features"] == ["more/features-start-encoder"]


def test_other_pictures_of_the_source_are_measured_anew(place: Path) -> None:
    recipe = measuring(place, stages=False, parts=["encoder"])
    run_recipe(recipe)
    folder = place / "world" / "CUB_200_2011"
    lines = (folder / "train_test_split.txt").read_text().splitlines()
    flipped = [f"{line.split()[0]} {1 - int(line.split()[1])}" for line in lines]
    (folder / "train_test_split.txt").write_text("\n".join(flipped) + "\n")
    features._listed.cache_clear()  # once a process, and a start is one
    assert {job.kind for job in jobs_left(recipe)} == {"features", "report"}


class Together(Group):
    """One of two processes, while the other is elsewhere."""

    def agree(self, find: Callable[[], Any]) -> Any:
        return find()

    def together(self, good: bool) -> bool:
        return good

    def locked(self, path: Path, waiting: str) -> AbstractContextManager[None]:
        return nullcontext()


def test_each_process_encodes_its_share_and_the_first_one_measures(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = measuring(place, "alone", stages=False, parts=["encoder"])
    run_recipe(alone)
    expected = read_json(alone.run_folder / "features" / "start" / "encoder" / "features.json")["tasks"]
    shutil.rmtree(place / "built" / ".features")
    shutil.rmtree(place / "runs")
    (job,) = [job for job in jobs_left(alone) if job.kind == "features"]
    encoded: list[int] = []
    monkeypatch.setattr(cache, "encode", lambda *of, real=cache.encode: encoded.append(len(of[1])) or real(*of))
    one_kind(alone, "prepare")
    counts = []
    for rank in (1, 0):
        measure_features(alone, Together(rank, 2, rank), **job.arguments)
        counts.append(sum(encoded))
        encoded.clear()
    assert counts[0]
    assert abs(counts[0] - counts[1]) <= 1
    found = read_json(alone.run_folder / "features" / "start" / "encoder" / "features.json")["tasks"]
    assert found == expected


def test_a_source_that_is_not_there_is_told_with_its_place(place: Path) -> None:
    recipe = measuring(place, stages=False, sources=[CUB | {"root": "{data_root}/nowhere"}])
    with pytest.raises(UserError, match=r"evaluation\.features\.sources\.0: no folder .*nowhere"):
        run_recipe(recipe)


def test_the_probe_the_attack_and_several_sources_as_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every class has two pictures of each kind."""
    monkeypatch.setattr(probe, "FEWEST_STEPS", 10)
    pictures = sorted((place / "world" / "CUB_200_2011").rglob("*.jpg"))[:16]
    for number, path in enumerate(pictures):
        target = place / f"data{number % 2}" / ("train", "test")[number // 8] / f"class{number // 2 % 2}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    sources = [{"source": "folder", "root": str(place / f"data{number}")} for number in range(2)]
    measures = {"measures": ["probe", "robustness"], "attack_images": 1}
    recipe = measuring(place, stages=False, ask=False, sources=sources, **measures)
    report = run_recipe(recipe).read_text()  # nothing is asked: the report shows features alone
    for text in ("Linear probe (LC)", "Under attack", "Single and multiple meta-classes", "start</th>"):
        assert text in report, text
    assert jobs_left(recipe) == []
    (line,) = unmeasured_lines(recipe)
    assert "the report shows features alone" in line
    kinds = [f"data{number}/{what}" for number in range(2) for what in ("probe", "robustness")]
    for part in ("encoder", "projector"):
        found = read_json(recipe.run_folder / "features" / "start" / part / "features.json")
        assert list(found["tasks"]) == [f"features/{kind}" for kind in (*kinds, "data0+data1/meta_class")]
        assert found["tasks"]["features/data1/robustness"]["n"] == 1
    rows = [json.loads(line) for line in (recipe.run_folder / "metrics.jsonl").read_text().splitlines()]
    names = {name.removeprefix("features/encoder/") for name in curves(rows)}
    assert {"data0/probe/default/top-1, head chosen on validation", "data1/robustness/default/top-1 after the attack",
            "data0+data1/meta_class/multiple/top-1 on data0"} <= names  # fmt: skip
