"""Stages that average checkpoints, and stages that start from an earlier one than the one before."""

import json
from pathlib import Path

import torch
from run_fakes import jobs_left, metrics, recipe_values, run_recipe, write_recipe

from fgtrain.model import load_checkpoint
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.recipe.soup import souped


def recipe(place: Path, name: str, **stages: dict | None) -> Recipe:
    """Alignment, and what is given; a stage `other` is SFT on other rows, from alignment as well."""
    values = recipe_values(place, name=name)
    align = values["stages"]["align"] | {"mix": {"count": 0.34}}
    sft = values["stages"]["sft"] | {"mix": {"short": 0.25}}
    other = sft | {"mix": {"count": 0.34}, "after": "align", "keep": {"kl": 0.5, "to": "start", "on": ["count"]}}
    known = {"align": align, "sft": sft | {"keep": {"kl": 0.5}}, "other": other}
    values["stages"] = {"align": align} | {name: known[name] if one is None else one for name, one in stages.items()}
    values["evaluation"] = {"tasks": ["drawn_count", "fgbmk"], "limit": 4}
    return load_recipe(write_recipe(place, values))


def weights(of: Recipe, stage: str) -> dict[str, torch.Tensor]:
    lvlm = load_checkpoint(of.run_folder / stage / "checkpoint")
    return {f"{part}.{name}": tensor for part in lvlm.parts for name, tensor in lvlm.parts[part].state_dict().items()}


def test_averages_are_checkpoints_among_others(place: Path):
    wise = {"merge": {"align": 0.25, "start": {"projector": 0.5}}}
    run = recipe(place, "tiny", sft=None, other=None, soup={"merge": {"sft": 0.5}}, wise=wise)
    report = run_recipe(run).read_text()
    assert jobs_left(run) == []
    assert all(name in report for name in ("soup", "wise"))

    align, sft, other, soup = (weights(run, name) for name in ("align", "sft", "other", "soup"))
    for name, values in soup.items():
        if values.is_floating_point():
            torch.testing.assert_close(values, (sft[name] + other[name]) / 2, rtol=1e-6, atol=1e-7)
        if name.startswith("vision_encoder"):  # frozen all along: no bit of it may move, or its outputs are lost
            assert torch.equal(values, align[name])
    for name, values in weights(run, "wise").items():
        if name.startswith("language_model") and values.is_floating_point():
            torch.testing.assert_close(values, 0.25 * align[name] + 0.75 * soup[name], rtol=1e-6, atol=1e-7)

    scores, stages = json.loads((run.run_folder / "scores.json").read_text()), ["align", "sft", "other", "soup", "wise"]
    assert [one["name"] for one in scores["checkpoints"]] == ["start", *stages]
    assert [row["stage"] for row in metrics(run.run_folder, "forgetting")] == [None, *stages]
    # What is held near to an earlier checkpoint says how far it is, as do all of what they start from.
    kept = {
        name: [row["terms"]["keep"] for row in metrics(run.run_folder, "train") if row["stage"] == name]
        for name in ("sft", "other")
    }
    assert kept["sft"][0] == 0
    assert kept["other"][0] > 0
    drift = metrics(run.run_folder, "drift")
    assert [row["stage"] for row in drift] == ["align", "sft", "other"]
    assert all(row["kl"] > 0 and row["positions"] > 0 and row["samples_seen"] > 0 for row in drift)
    card = (run.run_folder / "wise" / "checkpoint" / "README.md").read_text()
    assert "projector: 0.25 soup, 0.25 align, 0.5 start" in card

    swept = recipe(place, "swept", sft=None, other=None, soup={"merge": {"sft": 0.25}})
    left = [job.name for job in jobs_left(swept)]
    assert [name for name in left if "/train-" in name] == []  # another share trains nothing
    assert [name for name in left if "/merge-" in name] == ["swept/merge-soup"]

    runs = [recipe(place, "one", sft=None), recipe(place, "two", other=None), recipe(place, "three")]
    of_three = souped(runs[0], {"of-two": runs[1], "of-three": runs[2]})
    assert [job.name for job in jobs_left(of_three) if "/train-" in job.name] == []
    run_recipe(of_three)
    for name, values in weights(of_three, "soup").items():
        if values.is_floating_point():
            torch.testing.assert_close(values, (sft[name] + other[name] + align[name]) / 3, rtol=1e-6, atol=1e-7)
        if name.startswith("vision_encoder"):
            assert torch.equal(values, align[name])
    assert "0.333333 of-two" in (of_three.run_folder / "soup" / "checkpoint" / "README.md").read_text()

    alone = recipe(place, "alone", other=None)  # `after` a stage: as if those between were not there
    assert [job.name for job in jobs_left(alone) if "/train-" in job.name] == []
