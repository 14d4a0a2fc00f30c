"""The script that is run the day there is a GPU: all of it on a CPU, and parts that end badly."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from run_fakes import REPOSITORY

NOT_HERE = {"fsdp_offload", "memory", "compiled", "liger"}


def test_every_part_is_green_on_a_cpu(tmp_path: Path) -> None:
    script = REPOSITORY / "benchmarks" / "gpu_check.py"
    words = [sys.executable, str(script), "--cpu", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    found = json.loads((tmp_path / "gpu_check.json").read_text())["parts"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert {part["number"] for part in found.values()} == set(range(1, 9))
    assert {name for name, part in found.items() if part["status"] == "not on this device"} == NOT_HERE
    assert all(part["why"] for name, part in found.items() if name in NOT_HERE)
    table = (tmp_path / "gpu_check.txt").read_text()
    assert all(part["title"] in table for part in found.values())
    assert "equal to the bit" in table


def hangs(check: object, found: object) -> None:
    found.figure("known before", 1)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # of gpu_check's test"])
    time.sleep(600)


def fails(check: object, found: object) -> None:
    found.figure("known before", 1)
    raise ValueError("as kernels do")


def vanishes(check: object, found: object) -> None:
    found.figure("known before", 1)
    os._exit(9)


def is_wrong(check: object, found: object) -> None:
    found.require(True, "not said")
    found.require(False, "off by a half")
    found.figure("known before", 1)


@pytest.mark.parametrize(
    ("run", "status", "why"),
    [
        (hangs, "killed", "not done after 1 s"),
        (fails, "failed", "ValueError: as kernels do"),
        (vanishes, "failed", "ended with 9"),
        (is_wrong, "failed", "off by a half"),
    ],
)
def test_a_part_that_ends_badly_is_told_and_leaves_nothing_but_its_figures(
    run: object, status: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    from gpu_check.found import Check
    from gpu_check.processes import Part, carry_out

    monkeypatch.setitem(sys.modules, "gpu_check.fake", SimpleNamespace(run=run))
    part = Part(1, "fake", "a fake", 1.0, "fake")
    told = carry_out(part, Check(tmp_path / "place", small=True), part.limit, tmp_path, Path("unused"))
    assert (told["status"], told["figures"]) == (status, {"known before": 1})
    assert why in told["why"]
    assert not [line for line in _commands() if "of gpu_check's test" in line]


def _commands() -> list[str]:
    """Of all living processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found
