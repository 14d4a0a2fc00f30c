"""A released family takes the same steps on two processes, one of which never sees a picture, as on one."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from family_worker import STEPS, train_family
from safetensors.torch import load_file
from stage_fakes import Case

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from family_fakes import FAMILIES, write_family, write_pictures

WHOLE = {"vision_encoder": 1.0e-3, "projector": 1.0e-2, "language_model": 1.0e-2}
FROZEN = {"projector": 1.0e-2, "language_model": 1.0e-2}
# A sum over 8 samples is split otherwise under each strategy.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


def launch(cases: list[tuple[str, Case]]) -> None:
    path = Path(cases[0][1].folder) / "cases.json"
    path.write_text(json.dumps([(kind, asdict(case)) for kind, case in cases]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "families"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    worker = [sys.executable, str(Path(__file__).with_name("family_worker.py")), str(path)]
    processes = [
        subprocess.Popen(
            worker,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-6000:]


def check(folder: Path, wanted: list[tuple[str, str, dict]]) -> None:
    """`wanted`: (family, strategy, what learns). Under sharding the first process alone has the model's weights."""
    write_pictures(folder)
    for kind in {kind for kind, _, _ in wanted}:
        write_family(kind, folder / kind)
    cases = []
    for number, (kind, strategy, train) in enumerate(wanted):
        name = f"{number}-{kind}-{strategy}"
        common = {"folder": str(folder), "per_device": 2, "global_batch": 4, "steps": len(STEPS), "train": train}
        save = str(folder / f"{name}.st")
        cases.append((kind, Case(**common, name=name, strategy=strategy, devices=2, lean=True, save=save)))
    launch(cases)
    alone: dict[tuple, dict] = {}
    for kind, case in cases:
        key = (kind, tuple(case.train))
        if key not in alone:
            one = Case(
                **{**asdict(case), "name": f"{case.name}-alone", "strategy": "single", "devices": 1, "per_device": 4}
            )
            alone[key] = train_family(one, kind)
        found = load_file(case.save)
        assert found.keys() == alone[key].keys()
        for name, expected in alone[key].items():
            torch.testing.assert_close(
                found[name], expected, **CLOSE, msg=lambda text, n=name, c=case: f"{c.name} {n}: {text}"
            )


def test_tiles_and_native_pictures_under_sharding(tmp_path: Path):
    check(tmp_path, [("internvl", "deepspeed_stage_3", FROZEN), ("qwen2_5_vl", "fsdp", FROZEN)])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "deepspeed_stage_2", "deepspeed_stage_3", "fsdp"])
def test_every_family_under_every_strategy(tmp_path: Path, strategy: str):
    check(tmp_path, [(kind, strategy, train) for kind in FAMILIES for train in (WHOLE, FROZEN)])
