"""What is installed, what the device is, and the matrix product that everything else is measured by."""

import importlib.metadata
import shutil
import subprocess
import sys

import torch

from fgtrain.plan.peak import known_gpu

from .found import Check, Found
from .timing import matmul_flops

LIBRARIES = ("torch", "triton", "transformers", "lightning", "deepspeed", "liger-kernel", "flash-attn", "peft", "vllm")


def run(check: Check, found: Found) -> None:
    versions = {"python": sys.version.split()[0], "compiler": _compiler()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    versions["built for CUDA"] = torch.version.cuda or "no CUDA"
    found.figure("versions", versions)
    found.say(", ".join(f"{name} {version}" for name, version in versions.items()))
    if not check.small:
        properties = torch.cuda.get_device_properties(0)
        card = {"name": properties.name, "bytes": properties.total_memory, "count": torch.cuda.device_count()}
        card |= {"capability": torch.cuda.get_device_capability(0), "driver": _driver()}
        found.figure("device", card)
        found.say(f"{card['count']} x {card['name']}, {card['bytes'] / 2**30:.1f} GiB, driver {card['driver']}")
        found.require(known_gpu(properties.name) is not None, f"{properties.name} is not in the plan's table of GPUs")
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        flops = matmul_flops(check.device, dtype, 8192 if not check.small else 256)
        found.figure(f"matmul {name} FLOP/s", flops)
        peak = None if check.small else known_gpu(torch.cuda.get_device_name())
        stated = "" if peak is None else f" of {getattr(peak, f'{name}_tflops'):.0f} stated"
        found.say(f"matrix product in {name}: {flops / 1e12:.3g} TFLOP/s{stated}")


def _compiler() -> str:
    path = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    return _first_line([path, "--version"]) if path else "none"


def _driver() -> str:
    return _first_line(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])


def _first_line(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        return (done.stdout.splitlines() or ["unknown"])[0]
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
