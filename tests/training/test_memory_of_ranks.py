"""How often a host holds a model while ranks start, train and end: measured as the ranks' own memory, all together."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from memory_worker import own_memory
from model_fakes import model_values, write_language_model, write_vision_encoder
from stage_fakes import Case

# 131 M parameters, 524 MB in fp32, in layers of which a rank can gather a few without holding much.
LARGE = {"hidden_size": 640, "intermediate_size": 2560, "num_hidden_layers": 20, "num_attention_heads": 10}
LARGE |= {"num_key_value_heads": 10}
BYTES = 4 * 131_000_000


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts in half precision, as they are released."""
    folder = tmp_path_factory.mktemp("large")
    write_vision_encoder(folder / "vision", dtype=torch.bfloat16)
    write_language_model(folder / "language", dtype=torch.bfloat16, **LARGE)
    return folder


def peak(parts: Path, place: Path, strategy: str, ranks: int, lean: bool = True) -> float:
    """Models' worth of memory that all ranks together have of their own, at the most."""
    case = Case(
        str(place),
        strategy=strategy,
        devices=ranks,
        per_device=1,
        global_batch=ranks,
        steps=1,
        train={"projector": 1e-3},
        lean=lean,
    )
    model = model_values(parts / "vision", parts / "language")
    values = place / "case.json"
    values.write_text(json.dumps({"case": asdict(case), "model": model.model_dump(mode="json")}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "GROUP_RANK": "0", "OMP_NUM_THREADS": "1"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "memory"}
    common["MALLOC_MMAP_THRESHOLD_"] = str(2**20)  # what is let go goes back at once, so that what is held is seen
    worker = [sys.executable, str(Path(__file__).with_name("memory_worker.py")), str(values)]
    most = 0
    with (place / "printed").open("w") as printed:
        processes = [
            subprocess.Popen(
                worker,
                env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=printed,
                stderr=printed,
            )
            for rank in range(ranks)
        ]
        try:
            while any(process.poll() is None for process in processes):
                most = max(most, sum(memory_of(process) for process in processes))
                time.sleep(0.01)  # the ranks need the processors
        finally:
            for process in processes:
                process.kill()
    assert [process.wait() for process in processes] == [0] * ranks, (place / "printed").read_text()[-4000:]
    before = sum(int((place / f"before{rank}").read_text()) for rank in range(ranks))
    return (most - before) / BYTES


def memory_of(process: subprocess.Popen) -> int:
    try:
        return own_memory(process.pid)
    except (OSError, RuntimeError):  # it has ended, or has not begun
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("strategy", ["deepspeed_stage_3", "fsdp"])
def test_a_host_holds_the_model_once_beside_the_shards_however_many_ranks(
    parts: Path, tmp_path: Path, strategy: str, ranks: int
):
    """Once with the first rank, once in shards, and the few layers that each rank gathers in a step."""
    assert peak(parts, tmp_path, strategy, ranks) < 2.2 + 0.3 * ranks
