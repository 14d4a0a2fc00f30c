"""Stages on several gloo processes: one program imports the libraries and forks them, which saves seconds for each."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from stage_fakes import Case


def launch(cases: list[Case], ranks: int = 2) -> str:
    """What the first of so many processes prints that run the cases one after the other."""
    path = Path(cases[0].folder) / "cases.json"
    path.write_text(json.dumps([asdict(case) for case in cases], default=str))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "GROUP_RANK": "0"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    common |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}  # the program that these tests lie beside
    common |= {"TORCHELASTIC_RUN_ID": "laws", "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("strategy_worker.py")), str(path)],
        env={**os.environ, **common},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def figures_of(case: Case) -> list[dict]:
    return [json.loads(line) for line in (case.out / "metrics.jsonl").read_text().splitlines()]
