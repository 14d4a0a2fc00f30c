"""What only a GPU can tell, in one unattended start of at most nine minutes: run it the day there is one.

    python benchmarks/gpu_check.py [--out DIR] [--only NAME ...]      on a machine with a GPU (made for one H200)
    python benchmarks/gpu_check.py --cpu                              the same code with models of no size

Nothing is downloaded: weights, words and pictures are drawn. Each part runs in a process of its own and has a clock of
its own; one that fails or is killed at its limit does not end the rest. DIR/gpu_check.json is written whole after every
part, as is DIR/gpu_check.txt, a table; what parts print is in DIR/<part>.log. Exit status 0: every part is ok
or not for this device.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gpu_check.found import Check
from gpu_check.processes import Part, carry_out

SECONDS = 530.0  # of everything; ending what is killed takes some more
PATIENCE = 10  # times as long on a CPU, which may be a busy one
PARTS = (
    Part(1, "versions", "versions and the device", 60, "versions"),
    Part(2, "attention", "attention against the dense rule", 110, "attention"),
    Part(3, "training", "InternVL-2.5-8B's shape, 8 layers", 130, "training"),
    Part(6, "asking", "asking 64 questions", 70, "asking"),
    Part(7, "tower", "Qwen2.5-VL's tower, 4 pictures", 60, "tower"),
    Part(5, "resume", "stop, resume, compare bits", 60, "resume"),
    Part(4, "zero", "SFT under ZeRO-2", 55, "sharded", "deepspeed_stage_2"),
    Part(4, "fsdp", "SFT under FSDP2", 55, "sharded", "fsdp"),
    Part(3, "compiled", "the same SFT, layers compiled", 80, "training", "compile"),
    Part(3, "liger", "the same SFT, Liger's layers", 60, "training", "liger"),
    Part(4, "zero_offload", "SFT under ZeRO-2 with offload", 55, "sharded", "deepspeed_stage_2 optimizer"),
    Part(4, "fsdp_offload", "SFT under FSDP2 with offload", 55, "sharded", "fsdp parameters"),
    Part(8, "memory", "out of memory", 50, "memory"),
    Part(8, "killed_rank", "a killed rank", 60, "killed_rank"),
)
BY_NAME = {part.name: part for part in PARTS}


def main() -> int:
    begin = time.monotonic()
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=Path("gpu_check"), help="folder of the results")
    arguments.add_argument("--only", nargs="+", choices=BY_NAME, metavar="NAME", help=", ".join(BY_NAME))
    arguments.add_argument("--cpu", action="store_true", help="small, on the CPU")
    for hidden in ("--part", "--place", "--result"):
        arguments.add_argument(hidden, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.part:
        return BY_NAME[chosen.part].run(Check(Path(chosen.place), small=False), Path(chosen.result))
    os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    os.environ.setdefault("OMP_NUM_THREADS", "1" if chosen.cpu else str(min(8, os.cpu_count() or 1)))
    repository = Path(__file__).resolve().parents[1]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(repository), os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, str(repository))
    small = chosen.cpu or not _gpu()
    if small:
        import fgtrain.jobs.train  # noqa: F401 - once for all parts, which are forks

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # as Ctrl-C: the part under way ends
    chosen.out.mkdir(parents=True, exist_ok=True)
    print("on the CPU, with models of no size" if small else f"on the GPU, {SECONDS:.0f} s at most", flush=True)
    parts = [part for part in PARTS if chosen.only is None or part.name in chosen.only]
    found: dict[str, Any] = {"device": "cpu" if small else "gpu", "seconds": 0.0, "parts": {}}
    slow = PATIENCE if small else 1
    scratch = Path(tempfile.mkdtemp(prefix="gpu_check_"))
    try:
        for part in parts:
            left = SECONDS * slow - (time.monotonic() - begin)
            if left < 5:
                result: dict[str, Any] = {"status": "no time left", "why": "", "seconds": 0.0, "lines": []}
            else:
                check = Check(scratch / part.name, small)
                result = carry_out(
                    part, check, min(part.limit * slow, left), chosen.out.absolute(), Path(__file__).resolve()
                )
                shutil.rmtree(check.place, ignore_errors=True)
            found["parts"][part.name] = {"number": part.number, "title": part.title, **result}
            found["seconds"] = round(time.monotonic() - begin, 1)
            _write(chosen.out / "gpu_check.json", json.dumps(found, indent=1))
            rows = (_rows(name, found["parts"][name]) for name in sorted(found["parts"], key=_place))
            _write(chosen.out / "gpu_check.txt", "\n".join(rows) + "\n")
            print(_rows(part.name, found["parts"][part.name]), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{found['seconds']:.0f} s; {chosen.out / 'gpu_check.json'}, {chosen.out / 'gpu_check.txt'}")
    good = all(part["status"] in ("ok", "not on this device") for part in found["parts"].values())
    return 0 if good else 1


def _gpu() -> bool:
    """Asked in another process: one that has asked cannot be forked."""
    words = [sys.executable, "-c", "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"]
    return subprocess.run(words, capture_output=True).returncode == 0


def _place(name: str) -> tuple[int, int]:
    return BY_NAME[name].number, PARTS.index(BY_NAME[name])


def _rows(name: str, part: dict[str, Any]) -> str:
    head = f"{part['number']}  {part['title']:34} {name:13} {part['status']:18} {part['seconds']:6.1f} s"
    why = [f"   ! {part['why']}"] if part.get("why") else []
    return "\n".join([head, *(f"     {line}" for line in part.get("lines", [])), *why])


def _write(path: Path, text: str) -> None:
    other = path.with_suffix(".writing")
    other.write_text(text, encoding="utf-8")
    os.replace(other, path)


if __name__ == "__main__":
    sys.exit(main())
