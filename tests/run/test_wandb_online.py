"""W&B online: a study's runs as its server gets them from jobs that run side by side, with a key of `wandb login`."""

import base64
import json
import shutil
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from run_fakes import command, recipe_values, write_recipe
from wandb_server import Received, wandb_server

from fgtrain.runs.curves import PICTURES, curves

KEY = "0123456789abcdef0123456789abcdef01234567"
RUNS = ("pair-less-s17", "pair-more-s17")


@dataclass
class Watched:
    place: Path
    server: Received
    output: str

    def run_id(self, name: str) -> str:
        return json.loads((self.place / "runs" / name / "wandb" / "run.json").read_text())["id"]


@pytest.fixture(scope="module")
def study(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Two arms that share a stage and two evaluations, carried out by one command."""
    place = tmp_path_factory.mktemp("online")
    shutil.copytree(tiny_world, place / "world")
    values = recipe_values(place, name="base", network=True, wandb={"entity": "lab", "tags": ["pilot"]})
    values["evaluation"] |= {"every_steps": 3, "subset": 4, "tasks": ["drawn_count"]}
    write_recipe(place, values)
    arms = {"less": {}, "more": {"stages.sft.mix.document": 1}}
    (place / "pair.yaml").write_text(yaml.safe_dump({"name": "pair", "base": "base.yaml", "arms": arms}))
    with wandb_server() as server:
        (place / "netrc").write_text(f"machine {server.url.removeprefix('http://')}\n  login user\n  password {KEY}\n")
        variables = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "NETRC": str(place / "netrc")}
        status, output = command(place / "pair.yaml", **variables)
    assert status == 0, output
    return Watched(place, server, output)


def test_each_run_is_one_wandb_run_in_the_studys_group_with_arm_and_seed(study: Watched) -> None:
    assert sorted(study.server.runs) == sorted(study.run_id(name) for name in RUNS)
    for name in RUNS:
        first = next(one for one in study.server.upserts if one["name"] == study.run_id(name))
        assert (first["groupName"], first["jobType"], first["entity"]) == ("pair", "train", "lab")
        assert first["tags"] == ["pilot", name.split("-")[1], "seed-17"]
        assert first["displayName"] == name
        assert f"{study.server.url}/lab/fgtrain/runs/{study.run_id(name)}" in study.output


def test_every_figure_of_a_run_reaches_its_wandb_run_whichever_run_has_made_it(study: Watched) -> None:
    for name in RUNS:
        lines = (study.place / "runs" / name / "metrics.jsonl").read_text().splitlines()
        rows = [row for row in map(json.loads, lines) if row["kind"] != "stage"]
        moments = groupby(rows, key=lambda row: (row["kind"], row["stage"], row["step"], row.get("subset")))
        wanted = {frozenset(curves(group).items()) for _, group in moments}
        figures = study.server.figures(study.run_id(name))
        sent = {frozenset(some.items()) for some in figures if f"{PICTURES}/samples_seen" not in some}
        assert sent == wanted
        assert {"align", "sft", None} == {row["stage"] for row in rows}


def test_evaluations_are_sent_by_the_jobs_that_make_them_and_the_report_ends_the_run(study: Watched) -> None:
    for name in RUNS:
        (report,) = study.server.ended_by[study.run_id(name)]
        rows = [(writer, figures) for run, writer, figures in study.server.rows if run == study.run_id(name)]
        by = {writer for writer, figures in rows if any(key.startswith("eval_full/") for key in figures)}
        assert by
        assert report not in by
        assert len({writer for writer, _ in rows}) > 1


def test_a_key_of_wandb_login_is_used_and_neither_printed_nor_kept(study: Watched) -> None:
    assert study.server.keys == {"Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()}
    assert KEY not in study.output
    for path in (study.place / "runs").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert KEY.encode() not in path.read_bytes(), path
