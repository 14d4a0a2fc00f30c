"""An installed vLLM, a checkpoint for it, and how it behaves: what tests of serving start from."""

import json
import sys
import time
from pathlib import Path

import pytest

from evaluation.serving import Vllm, VllmModel, place_of_vllm, served, server

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")


class Stand:
    """A stand-in for vLLM in a folder, and a checkpoint for it to serve."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.starts_file, self.log = folder / "starts.jsonl", folder / "job" / "vllm.log"
        program = folder / "bin" / "vllm"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("FGTRAIN_VLLM", str(program))
        self.checkpoint = folder / "checkpoint"
        self.checkpoint.mkdir()
        (self.checkpoint / "chat_template.jinja").write_text("{{ messages }}")
        self.behave()

    def behave(self, **how: object) -> None:
        how = {"starts": str(self.starts_file), **how}
        self.monkeypatch.setenv("STAND_IN", json.dumps(how))

    @property
    def starts(self) -> list[dict]:
        lines = self.starts_file.read_text().splitlines() if self.starts_file.exists() else []
        return [json.loads(line) for line in lines]

    def model(self, weights: str = "a" * 32, **more: object) -> VllmModel:
        return VllmModel("mine", self.checkpoint, weights, **more)

    def served(self, weights: str = "a" * 32, **more: object):
        silent = more.pop("silent_seconds", 600.0)
        return served(Vllm(place_of_vllm(), "0.33.0"), self.model(weights, **more), self.log, silent_seconds=silent)


@pytest.fixture
def stand(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(server, "GRACE_SECONDS", 0.5)
    return Stand(tmp_path, monkeypatch)


def runs(pid: int) -> bool:
    """Is the process there? One that has ended and that nobody has asked for its status is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(starts: list[dict]) -> bool:
    """Until all processes of all starts are gone: they must be, only not at once."""
    pids = [pid for one in starts for pid in (one["pid"], one["engine"]) if pid]
    until = time.monotonic() + 60
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(pids) and not any(map(runs, pids))
