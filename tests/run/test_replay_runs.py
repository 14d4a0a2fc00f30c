"""Rows of earlier data, chosen by what two checkpoints of the run make of them, replayed in a later stage."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
from run_fakes import jobs_left, metrics, one_kind, recipe_values, run_recipe, write_recipe

from data_builders.records import read_rows
from data_builders.shared.files import read_json, read_jsonl
from evaluation.protocols import Answer, ImageQuestions, Question
from fgtrain.data.dataset import MicroBatches, Share
from fgtrain.data.replay import LEDGER, as_order
from fgtrain.errors import UserError
from fgtrain.jobs.inputs import candidate_data
from fgtrain.model import load_checkpoint
from fgtrain.plan import read_plan
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.training.answerer import ModelAnswerer, load_answerer
from fgtrain.training.row_losses import row_losses

ROWS = 10


def recipe(place: Path, name: str = "tiny", mix: dict | None = None, **changes: object) -> Recipe:
    """General data, a short probe of the fine-grained data alone, and the same with replayed rows."""
    values = recipe_values(place, name=name)
    options = {"of": ["count", "document"], "by": "forgotten_rows", "between": ["sft", "probe"], "among": 40}
    values["data"]["replayed"] = {"what": "replay", "rows": ROWS, "options": options}
    sft = values["stages"]["sft"]
    values["stages"] = {
        "sft": sft | {"mix": {"count": 1, "document": 1}},
        "probe": sft | {"mix": {"short": 0.25}},
        "fg": sft | {"after": "sft", "mix": {"short": 0.25, "replayed": 2} if mix is None else mix},
    }
    values["evaluation"] = {"tasks": ["drawn_count"], "at": ["fg"], "limit": 2}
    return load_recipe(write_recipe(place, values | changes))


def losses_one_by_one(of: Recipe, checkpoint: str, places: list) -> list[float]:
    """As the choice has them, but each row alone in its batch; and what two processes make of them together."""
    data = candidate_data(of, "replayed", lvlm := load_checkpoint(of.run_folder / checkpoint / "checkpoint"))
    data.order = as_order(places, ["count", "document"])
    made = {
        "order": data.order,
        "loads_SL": data.loads_SL,
        "maker": data.maker,
        "spec": data.image_spec,
        "quarantine": data.quarantine,
        "pack_tokens": 1,
    }
    together = MicroBatches(share=Share(16, 1), **made)
    halves = [row_losses(lvlm, together, "", part=(rank, 2)) for rank in (0, 1)]
    assert halves[0]
    assert halves[1]
    assert halves[0] | halves[1] == row_losses(lvlm, together, "")
    alone = row_losses(lvlm, MicroBatches(share=Share(1, 1), **made), "")
    return [alone[number] for number in range(len(places))]


def test_the_rows_that_are_forgotten_most_are_replayed(place: Path):
    run = recipe(place)
    assert run_recipe(run) is not None
    assert jobs_left(run) == []
    plan = read_plan(run.run_folder / "plan.json")
    folder = run.replay_store(plan.stage("fg").data[1].chosen)

    ledger = list(read_jsonl(folder / LEDGER))
    assert len(ledger) == 40
    ids = {name: [row["id"] for row in read_rows(run.data_folder(name))] for name in ("count", "document")}
    places = [(one["data_set"], ids[one["data_set"]].index(one["row"])) for one in ledger]
    before, after = (losses_one_by_one(run, checkpoint, places) for checkpoint in ("sft", "probe"))
    for one, was, now in zip(ledger, before, after, strict=True):
        assert (one["before"], one["after"]) == pytest.approx((was, now), abs=1e-4)
        assert one["rise"] == one["after"] - one["before"]
    for name in ids:  # within a data set, nobody who was left out was forgotten more
        mine = [one for one in ledger if one["data_set"] == name]
        taken = [one["rise"] for one in mine if one["replayed"]]
        left = [one["rise"] for one in mine if not one["replayed"]]
        assert not taken or not left or min(taken) >= max(left)

    chosen = [f"{one['data_set']}/{one['row']}" for one in ledger if one["replayed"]]
    rows = list(read_rows(folder))
    assert [row["id"] for row in rows] == chosen
    assert len(rows) == ROWS
    root = folder / read_json(folder / "manifest.json")["image_root"]
    assert all((root / row["image"]).is_file() for row in rows)

    assert plan.exposures["replayed"] == 2 * ROWS  # to the row, and the probe is no part of what fg has learnt from
    assert plan.exposures["short"] == next(one.samples for one in plan.stage("fg").data if one.name == "short")
    assert plan.stage("fg").choices[0].candidates == 40
    assert plan.stage("fg").choices[0].tokens > 0
    seen = [row for row in metrics(run.run_folder) if row["stage"] == "fg"]
    assert any("replayed" in json.dumps(row) for row in seen)

    written = (folder / "rows.jsonl").read_bytes(), (folder / LEDGER).read_bytes()
    rmtree(folder)
    assert jobs_left(run) == []  # the stage is done, and needs no rows any more
    rmtree(run.stage_store(plan.stage("fg").fingerprint))
    assert one_kind(run, "replay") == ["choose rows of replayed"]
    assert ((folder / "rows.jsonl").read_bytes(), (folder / LEDGER).read_bytes()) == written

    (folder / "manifest.json").unlink()  # stopped while it was written, and what it was chosen by was cut and altered
    cut, altered = sorted(folder.glob("losses-*.json"))
    cut.write_text(cut.read_text()[:40])
    altered.write_text(altered.read_text().replace("1", "2"))
    assert one_kind(run, "replay") == ["choose rows of replayed"]
    assert ((folder / "rows.jsonl").read_bytes(), (folder / LEDGER).read_bytes()) == written


def test_rows_are_answered_by_the_checkpoint_itself(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Its answers are those that evaluation would get from it, to the questions of the rows or to others.

    A model of a few steps says nothing, so that a word is added here, and every second question's answer never ends.
    """
    answer = ModelAnswerer.answer

    def said(self: ModelAnswerer, groups: list[ImageQuestions]) -> list[list[Answer]]:
        return [
            [replace(one, text=f"{one.text} so", finished=number % 2 == 0) for number, one in enumerate(found)]
            for found in answer(self, groups)
        ]

    monkeypatch.setattr(ModelAnswerer, "answer", said)
    own = {"what": "replay", "rows": 12, "options": {"of": ["count", "short"], "by": "random", "answers": "sft"}}
    run = recipe(place, name="own", mix={"short": 0.25, "own": 1}, data=recipe_values(place)["data"] | {"own": own})
    asked = ["What is it?", "How many shapes are in the image?"]
    assert run_recipe(run) is not None
    folder = run.replay_store(read_plan(run.run_folder / "plan.json").stage("fg").data[1].chosen)
    rows, ledger = list(read_rows(folder)), [one for one in read_jsonl(folder / LEDGER) if one["replayed"]]
    assert len(rows) == len(ledger) == 12
    answerer = load_answerer(run.run_folder / "sft" / "checkpoint")
    before = {f"{name}/{row['id']}": row for name in ("count", "short") for row in read_rows(run.data_folder(name))}
    root = folder / read_json(folder / "manifest.json")["image_root"]
    for row in rows:
        turns = row["conversations"]
        pairs = {q["value"].removeprefix("<image>\n"): a["value"] for q, a in zip(turns[::2], turns[1::2], strict=True)}
        own = [turn["value"].removeprefix("<image>\n") for turn in before[row["id"]]["conversations"][::2]]
        assert set(pairs) <= set(own)
        group = ImageQuestions(root / row["image"], tuple(Question(question, 64) for question in own))
        given = dict(zip(own, answerer.answer([group])[0], strict=True))
        assert pairs == {question: answer.text for question, answer in given.items() if answer.finished}
    assert {row["id"].split("/")[0] for row in rows} == {"count", "short"}

    mosaics = {"what": "mosaic", "root": str(place / "world" / "CUB_200_2011"), "options": {"source": "cub", "grid": 2}}
    data = run.model_dump(mode="json")["data"] | {"mosaics": mosaics}
    data["own"]["options"]["of"] = ["mosaics"]
    with pytest.raises(UserError, match="asked about one"):  # before anything is trained
        run_recipe(recipe(place, name="several", mix={"short": 0.25, "own": 1}, data=data))
    run.data["own"].options.update(questions=asked)
    other = recipe(place, name="own", mix={"short": 0.25, "own": 1}, data=run.model_dump(mode="json")["data"])
    assert run_recipe(other) is not None
    plan = read_plan(other.run_folder / "plan.json")
    rows = list(read_rows(other.replay_store(plan.stage("fg").data[1].chosen)))
    assert {turn["value"].removeprefix("<image>\n") for row in rows for turn in row["conversations"][::2]} <= set(asked)
    assert "answered by sft" in "\n".join(plan.notes)
