"""Under sharding the first rank alone may hold the model: all learn what they learn where each of them holds it."""

import json
import signal
from pathlib import Path

import pytest
import torch
from launching import figures_of, launch
from safetensors.torch import load_file
from stage_fakes import BASE, Case, DrawnData, tiny_lvlm, write_parts
from test_strategy_laws import LORA, SHARDING

from fgtrain.model import merge_adapters, set_trainable
from fgtrain.recipe.devices_schema import Devices
from fgtrain.training.strategy import weights_device
from fgtrain.training.trainer import StageRun, run_stage

VARIANTS: dict[str, dict] = {
    "asked": {"asks": True, "train": {"vision_encoder": 1.0e-3, **BASE}},
    "lora": {"train": LORA},
    "bf16": {"precision": "bf16", "asks": True},
    "offloaded": {"offload": "optimizer"},
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple, Case]:
    """(strategy, variant, lean) -> the case, after it has run on two processes."""
    folder = tmp_path_factory.mktemp("lean")
    write_parts(folder)
    made: dict[tuple, Case] = {}
    runs: list[Case] = []
    for strategy in SHARDING:
        for variant, values in {**VARIANTS, "stopped": {}}.items():
            for lean in (False, True):
                name = f"{strategy}-{variant}-{lean}"
                common = {"folder": str(folder), "name": name, "devices": 2, "per_device": 2, "strategy": strategy}
                case = Case(**common, **values, lean=lean, save=str(folder / f"{name}.safetensors"))
                if variant == "stopped" and lean:
                    stop = {"signal_at": 2, "signal": int(signal.SIGUSR1)}
                    runs.append(Case(**common, lean=True, **stop))
                made[strategy, variant, lean] = case
                runs.append(case)
    launch(runs)
    return made


@pytest.mark.parametrize("variant", [*VARIANTS, "stopped"])
@pytest.mark.parametrize("strategy", SHARDING)
def test_weights_from_the_first_rank_learn_the_same_to_the_bit(cases: dict, strategy: str, variant: str):
    whole, lean = (cases[strategy, variant, lean] for lean in (False, True))
    expected, found = load_file(whole.save), load_file(lean.save)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    start = tiny_lvlm(Path(whole.folder)).state_dict()
    assert not all(torch.equal(found[name], start[name]) for name in start)
    for a, b in zip(figures_of(whole), figures_of(lean), strict=True):
        assert (a["step"], a["loss"], a["grad_norm"]) == (b["step"], b["loss"], b["grad_norm"])


@pytest.mark.parametrize("variant", [name for name, values in VARIANTS.items() if values.get("asks")])
@pytest.mark.parametrize("strategy", SHARDING)
def test_in_the_middle_of_a_stage_every_rank_asks_the_whole_model(cases: dict, strategy: str, variant: str):
    read = [
        json.loads((cases[strategy, variant, lean].out / f"read{rank}.json").read_text())
        for lean in (False, True)
        for rank in range(2)
    ]
    assert all(one == read[0] for one in read)
    assert list(read[0]) == ["1", "2"]
    assert read[0]["1"] != read[0]["2"]


def test_a_host_holds_weights_once_where_they_are_sharded():
    for strategy in SHARDING:
        devices = Devices(count=2, accelerator="cpu", strategy=strategy)
        assert [weights_device(devices, rank, rank).type for rank in range(3)] == ["cpu", "meta", "meta"]
    devices = Devices(count=2, accelerator="cpu", strategy="ddp")
    assert [weights_device(devices, rank, rank).type for rank in range(2)] == ["cpu", "cpu"]


@pytest.mark.parametrize("strategy", SHARDING)
def test_a_first_rank_without_weights_is_refused(tmp_path: Path, strategy: str):
    write_parts(tmp_path)
    case = Case(str(tmp_path), strategy=strategy, per_device=8)
    lvlm = tiny_lvlm(tmp_path, "meta")
    job = StageRun(case.name, case.stage(), case.devices_section(), case.steps, 24, case.out)
    with pytest.raises(RuntimeError, match="the first rank's model has no weights"):
        run_stage(job, lvlm, set_trainable(lvlm, case.stage().train), DrawnData(case))


def test_adapters_leave_a_model_without_weights_as_it_was(tmp_path: Path):
    write_parts(tmp_path)
    lvlm = tiny_lvlm(tmp_path, "meta")
    before = [(name, p.shape) for name, p in lvlm.named_parameters()]
    set_trainable(lvlm, Case("", train=LORA).stage().train)
    assert len([*lvlm.parameters()]) > len(before)
    merge_adapters(lvlm)
    assert [(name, p.shape) for name, p in lvlm.named_parameters()] == before
