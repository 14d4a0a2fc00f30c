"""A run whose training holds categories out gets its scores for seen and unseen ones, of answers that it shares."""

import json
from pathlib import Path

from run_fakes import jobs_left, recipe_values, run_recipe, write_recipe

from data_builders.build import build
from data_builders.records import Manifest
from data_builders.shared.files import read_json
from data_builders.sources import same_name
from evaluation.held_out import read_sides
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs.curves import curves
from fgtrain.runs.held_out import held_out_of, shown_all_the_same, sides_of, with_seen_rows

TASK = "fgbmk/drawn/species/short_answer"


def asked(folder: Path, name: str, held_out: Path | None) -> Recipe:
    """Species questions to the untrained model."""
    values = recipe_values(folder, name=name, data={}, stages={})
    values["prepare"] = values["prepare"][1:]
    values["evaluation"] = {
        "tasks": ["fgbmk"],
        "data": ["{data_root}"],
        "limit": 24,
        "held_out": held_out and [str(held_out)],
    }
    return load_recipe(write_recipe(folder, values))


def parts(recipe: Recipe) -> dict[str, int]:
    (checkpoint,) = read_json(recipe.run_folder / "scores.json")["checkpoints"]
    return {one["name"]: one["n"] for one in checkpoint["tasks"][TASK]["groups"] if one["by"] == "held_out"}


def test_answers_are_shared_by_runs_that_hold_out_others(place: Path) -> None:
    world, names = place / "world" / "CUB_200_2011", {}
    for name, part in {"quarter": 0.25, "half": 0.5}.items():
        options = {"source": "cub", "categories": {"hold_out": part}}
        build("short_answer", root=world, out=place / name, options=options)
        names[name] = place / name
    quarter, half = (asked(place, f"run_{name}", folder) for name, folder in names.items())
    assert "unseen" in run_recipe(quarter).read_text(encoding="utf-8")
    assert jobs_left(quarter) == []
    assert {job.kind for job in jobs_left(half)} == {"prepare", "report"}  # the model was asked by the other run
    run_recipe(half)
    few, more = parts(quarter), parts(half)
    assert few["harmonic"] == more["harmonic"] == few["seen"] + few["unseen"] == 24
    assert few["unseen"] < more["unseen"]
    assert read_sides(quarter.run_folder)[TASK].unseen < read_sides(half.run_folder)[TASK].unseen
    rows = [json.loads(line) for line in (half.run_folder / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row.get("task") == TASK]
    assert {(row["metric"], row["n"]) for row in rows} >= set(more.items())
    again = with_seen_rows(rows[:1], half.run_folder / "answers" / "start", sides_of(half))  # as of a subset in between
    assert [row["metric"] for row in again] == ["accuracy", "seen", "unseen", "harmonic"]
    names = {f"eval_full/{TASK}/released{part}" for part in ("", "/seen", "/unseen", "/harmonic")}
    assert curves(again).keys() >= names


def test_what_all_sets_of_the_mixture_hold_out_is_held_out(place: Path) -> None:
    world, options = place / "world" / "CUB_200_2011", {"source": "cub"}
    for name, what, part in (("few", "short_answer", 0.25), ("more", "caption", 0.5), ("none", "caption", None)):
        chosen = options if part is None else options | {"categories": {"hold_out": part}}
        build(what, root=world, out=place / name, options=chosen)
    listed = Manifest.load(place / "few").held_out["cub"].values()
    expected = {same_name(name) for names in listed for name in names}
    for mix, names in ({"few": 1, "more": 1}, expected), ({"few": 1, "none": 1}, None), ({"few": 1}, expected):
        values = recipe_values(place, data={name: {"path": str(place / name)} for name in mix})
        values["stages"] = {"align": {"train": {"projector": 1.0e-3}, "mix": mix, "global_batch_size": 8}}
        recipe = load_recipe(write_recipe(place, values))
        found = held_out_of(recipe)
        assert (found and found.names) == names
        assert bool(shown_all_the_same(recipe)) == (names is None)
