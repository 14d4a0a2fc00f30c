"""Stages that learn by adapters which begin with what they find in the model or in data."""

import os
import signal
from pathlib import Path

import peft.tuners.lora.corda
import pytest
import torch
from run_fakes import one_kind, recipe_values, run_recipe, write_recipe

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.jobs import train
from fgtrain.jobs.adapters import FILE
from fgtrain.model import LVLM, load_checkpoint
from fgtrain.plan import read_plan
from fgtrain.recipe import Recipe, load_recipe
from fgtrain.training.stop_signals import StageInterruptedError
from fgtrain.training.trainer import StageRun

CORDA = {"rank": 2, "init": "corda", "init_on": {"data": "document", "rows": 5}}


def recipe(place: Path, runs: str, **stages: dict) -> Recipe:
    values = recipe_values(place, name=runs, runs_root=str(place / runs))
    common = {"global_batch_size": 8, "checkpoint_every_steps": 1}
    values["stages"] = {name: {**common, **one} for name, one in stages.items()}
    values["evaluation"] = {"tasks": []}
    return load_recipe(write_recipe(place, values))


def first() -> dict:
    return {"train": {"language_model": {"lr": 1.0e-3, "lora": CORDA}}, "mix": {"count": 0.67}}


def test_what_adapters_begin_with_outlives_a_stop(place: Path, monkeypatch: pytest.MonkeyPatch):
    later = {
        "osf": {"train": {"language_model": {"lr": 1.0e-3, "osf": {"keep": 0.9}}}, "mix": {"short": 0.25}},
        "lora": {
            "train": {"language_model": {"lr": 1.0e-3, "lora": {"rank": 2, "intruders": 0.5}}},
            "mix": {"count": 0.34},
        },
    }
    whole = recipe(place, "whole", corda=first(), **later)
    run_recipe(whole)
    plan = read_plan(whole.run_folder / "plan.json")
    assert [part.adapter for stage in plan.stages for part in stage.parts if part.learns] == [
        "init corda on 5 rows of document",
        "osf keep 0.9",
        "0.5 left of intruders",
    ]
    for stage in ("osf", "lora"):
        config = read_json(whole.run_folder / stage / "checkpoint" / "adapter" / "adapter_config.json")
        assert config["peft_type"] == stage.upper()

    stopped = recipe(place, "stopped", corda=first())
    one_kind(stopped, "prepare")
    plain = train.run_stage

    def stop_after_a_step(run: StageRun, lvlm: LVLM, *rest: object) -> None:
        run.also_log = lambda rows: os.kill(os.getpid(), signal.SIGTERM)
        plain(run, lvlm, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(train, "run_stage", stop_after_a_step)
        with pytest.raises(StageInterruptedError):
            one_kind(stopped, "train")
    store = stopped.stage_store(read_plan(stopped.run_folder / "plan.json").stage("corda").fingerprint)
    assert (store / "resume" / FILE).is_file()

    def again(*arguments: object, **options: object) -> None:
        raise AssertionError("activations are looked at once")

    with monkeypatch.context() as patched:  # as on a device that would find other signs
        patched.setattr(peft.tuners.lora.corda, "preprocess_corda", again)
        one_kind(stopped, "train")
    assert not (store / "resume").exists()
    ended = [load_checkpoint(one.run_folder / "corda" / "checkpoint").state_dict() for one in (whole, stopped)]
    assert ended[0].keys() == ended[1].keys()
    assert all(torch.equal(tensor, ended[1][name]) for name, tensor in ended[0].items())


def test_rows_that_are_looked_at_decide_what_is_learnt(place: Path):
    from fgtrain.plan import data_facts, make_plan
    from fgtrain.plan.facts import ModelFacts

    def fingerprint(lora: dict) -> str:
        stage = first() | {"train": {"language_model": {"lr": 1.0e-3, "lora": lora}}}
        one = recipe(place, "rows", corda=stage)
        assert set(one.mixed_data) == {"count", *({"document"} if "init" in lora else ())}
        return make_plan(one, data_facts(one), ModelFacts()).stage("corda").fingerprint

    ways = [{"rank": 2}, CORDA, CORDA | {"init_on": {"data": "document", "rows": 4}}]
    assert len({fingerprint(one) for one in ways}) == len(ways)


@pytest.mark.parametrize("way", ["osf: {keep: 0.5}", "lora: {rank: 2, init: corda, init_on: count}"])
def test_what_needs_whole_weights_is_refused_where_they_are_sharded(place: Path, way: str):
    path = write_recipe(place, recipe_values(place, name="sharded"))
    devices = "devices={count: 2, strategy: fsdp, accelerator: cpu, per_device_batch_size: 4}"
    with pytest.raises(UserError, match=r"under fsdp.*Write devices\.strategy: ddp"):
        load_recipe(path, [f"stages.sft.train.language_model={{lr: 1.0e-3, {way}}}", devices])
