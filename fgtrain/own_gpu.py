"""Which GPU this process computes on, and whether it can.

python -m fgtrain.own_gpu      prints as JSON what torch sees, for who does not import it
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_builders.shared.terminal import say
from fgtrain.errors import SharedUserError, UserError
from fgtrain.gpu_faults import Seen, fault, shared
from fgtrain.recipe.devices_schema import Devices

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/version")
NODES = Path("/dev")
LOOK_SECONDS = 120


def uses_gpu(devices: Devices) -> bool:
    """Does a process of these devices compute on a GPU?

    UserError where a GPU is here, the recipe does not say cpu, and torch cannot use it: a run must not end up on the
    CPU because of a driver.
    """
    import torch

    if devices.accelerator == "cpu":
        return False
    if torch.cuda.is_available():
        return True
    if gpu_is_here():
        raise UserError(fault(look(), devices, os.environ.get(VISIBLE)))
    if devices.accelerator == "gpu":
        raise UserError("devices.accelerator is gpu, but there is no GPU here. Write devices.accelerator=cpu")
    return False


def own_gpu(local_rank: int) -> Any:
    """torch.device of this process's GPU: the only one that it sees (its launcher has chosen), else that of its number.

    UserError where it sees several and too few of them.
    """
    import torch

    there = torch.cuda.device_count()
    if there > 1 and local_rank >= there:
        raise UserError(
            f"process {local_rank} of this host sees {there} GPUs ({VISIBLE}={os.environ.get(VISIBLE, 'not set')}). "
            f"Each process must see all GPUs of the host, or its own alone"
        )
    return torch.device("cuda", 0 if there == 1 else local_rank)


def refuse_shared_gpus(processes: int, local_rank: int) -> None:
    """SharedUserError where two processes of a group would compute on one GPU. All of them call it."""
    import torch

    uuid = torch.cuda.get_device_properties(own_gpu(local_rank)).uuid
    places: list[Any] = [None] * processes
    torch.distributed.all_gather_object(places, (socket.gethostname(), str(uuid)))
    if (problem := shared(places)) is not None:
        raise SharedUserError(problem)


def gpu_is_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Has this host an NVIDIA GPU that this process may see?"""
    if environment.get(VISIBLE) is not None and not visible_names(environment):
        return False
    return bool(gpu_nodes()) or ((NODES / "dxg").exists() and driver_version() is not None)


def visible_names(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """GPUs that CUDA_VISIBLE_DEVICES names: numbers, GPU-uuids or MIG-uuids. As CUDA reads it, "-1" ends the list."""
    names: list[str] = []
    for name in environment.get(VISIBLE, "").split(","):
        if not name.strip() or name.strip() == "-1":
            break
        names.append(name.strip())
    return tuple(names)


def gpu_nodes() -> tuple[str, ...]:
    """Numbers of the GPUs whose device files can be opened. A container, or a Slurm job without GPUs, has those files
    too, and is refused there.
    """
    found = [path for path in NODES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name) and _opens(path)]
    return tuple(sorted((path.name.removeprefix("nvidia") for path in found), key=int))


def _opens(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


@lru_cache
def driver_version() -> str | None:
    """Of NVIDIA's driver; None where there is none."""
    text = ""
    if DRIVER.is_file():
        text = DRIVER.read_text(encoding="utf-8", errors="replace")
    elif (program := shutil.which("nvidia-smi")) is not None:
        words = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            text = subprocess.run(words, capture_output=True, text=True, timeout=LOOK_SECONDS).stdout
        except (OSError, subprocess.TimeoutExpired):
            return None
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", text)
    return found[0] if found else None


def look() -> Seen:
    """What torch sees here. Starts CUDA in this process."""
    import torch

    error = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an old driver: it is told in words of its own
        usable = torch.cuda.is_available()
        if not usable:
            try:
                torch.cuda.init()
            except Exception as problem:  # torch raises several kinds
                error = (str(problem).splitlines() or [""])[0]
    count = torch.cuda.device_count() if usable else 0
    return Seen(
        torch=torch.__version__,
        build=torch.version.cuda or getattr(torch.version, "hip", None),
        kernels=tuple(torch.cuda.get_arch_list()) if usable else (),
        driver=driver_version(),
        usable=usable,
        error=error,
        names=tuple(torch.cuda.get_device_name(number) for number in range(count)),
        capabilities=tuple(torch.cuda.get_device_capability(number) for number in range(count)),
    )


def look_from_outside(environment: Mapping[str, str] = os.environ) -> Seen:
    """The same, by another process: this one will fork, and CUDA does not survive that. RuntimeError where it fails."""
    words = [sys.executable, "-m", "fgtrain.own_gpu"]
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, timeout=LOOK_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    lists = {key: tuple(found[key]) for key in ("kernels", "names")}
    return Seen(**{**found, **lists, "capabilities": tuple(tuple(one) for one in found["capabilities"])})


if __name__ == "__main__":
    say(json.dumps(asdict(look())))
