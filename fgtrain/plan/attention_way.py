"""The way in which a model's attention over packed rows is computed, chosen before anything runs. Needs no torch."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fgtrain.errors import UserError
from fgtrain.recipe.devices_schema import Devices

from .cost import ModelShape

LARGEST_HEAD = 256  # that the kernels of flash attention and of flex attention take
SMALLEST_FLEX_HEAD = 16  # triton multiplies no smaller matrices

WHAT = {
    "varlen": "torch's flash attention over stretches of any length, needs no compiler",
    "flex": "torch's flex attention, compiled once by triton",
    "sdpa": "torch's SDPA sample by sample, needs no compiler",
    "blocks": "torch's attention kernels for CPUs, stretch by stretch",
    "dense": "transformers' own attention under a mask of the whole row",
}
PREFERRED = {"cuda": ("varlen", "sdpa"), "cpu": ("blocks", "sdpa")}


@dataclass(frozen=True)
class Attention:
    """What decides how a decoder's attention can be computed."""

    device: str  # "cuda" or "cpu"
    dtype: str  # in which it runs: "bf16", "fp16", "fp32"; another name is none of these
    head_size: int
    dropout: float = 0.0  # of attention weights, in training
    dense: str = ""  # why transformers' own attention must compute it; empty where it need not
    no_flash: str = ""  # why the device has no flash attention
    no_compiler: str = ""  # why flex attention cannot be compiled
    no_blocks: str = ""  # why the kernels for CPUs are not there


@dataclass(frozen=True)
class Way:
    """A way to compute attention, and why it is this one."""

    name: str  # a key of WHAT
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose_way(attention: Attention, wanted: str = "auto") -> Way:
    """The way to compute attention, `wanted` (the recipe's devices.attention) if it is not "auto".

    Every way gives the same values, up to rounding, for every length, number of heads and sliding window. UserError
    where the wanted one cannot compute this attention.
    """
    if attention.dense:
        if wanted != "auto":
            raise UserError(
                f"devices.attention is {wanted}, but {attention.dense}, which {WHAT['dense']} computes alone. Write "
                f"attention: auto"
            )
        return Way("dense", f"{WHAT['dense']}, because {attention.dense}")
    if wanted != "auto":
        if problem := CANNOT[wanted](attention):
            raise UserError(f"devices.attention is {wanted}, but {problem}. Write attention: auto, or sdpa")
        return Way(wanted, f"{WHAT[wanted]}, as devices.attention says")
    problems: list[str] = []
    for name in PREFERRED["cuda" if attention.device == "cuda" else "cpu"]:
        problem = CANNOT[name](attention)
        if not problem:
            return Way(name, "; ".join([WHAT[name], *problems]))
        problems.append(f"not {name}: {problem}")
    raise AssertionError("SDPA takes everything")


def _not_varlen(attention: Attention) -> str:
    if attention.device != "cuda":
        return "flash attention runs on a GPU only"
    if attention.no_flash:
        return attention.no_flash
    if attention.dtype not in ("bf16", "fp16"):
        return f"flash attention knows no {attention.dtype}"
    return _too_large(attention) or _drops(attention)


def _not_flex(attention: Attention) -> str:
    if attention.device != "cuda":
        return "flex attention runs on a GPU only"
    if attention.no_compiler:
        return attention.no_compiler
    if attention.head_size < SMALLEST_FLEX_HEAD:
        return f"a head has {attention.head_size} values, and flex attention wants {SMALLEST_FLEX_HEAD}"
    return _too_large(attention) or _drops(attention)


def _not_blocks(attention: Attention) -> str:
    return "they run on a CPU only" if attention.device != "cpu" else attention.no_blocks or _drops(attention)


def _too_large(attention: Attention) -> str:
    size = attention.head_size
    return f"a head has {size} values, more than its kernels take ({LARGEST_HEAD})" if size > LARGEST_HEAD else ""


def _drops(attention: Attention) -> str:
    return (
        f"the model drops {attention.dropout:g} of its attention weights, which it cannot" if attention.dropout else ""
    )


# Way -> why it cannot compute an attention, "" where it can.
CANNOT: dict[str, Callable[[Attention], str]] = {
    "varlen": _not_varlen,
    "flex": _not_flex,
    "blocks": _not_blocks,
    "sdpa": lambda attention: "",
}


def planned_way(devices: Devices, shape: ModelShape | None) -> str | None:
    """What a plan says of it; None while the model's shape is unknown. A run tries its way on its GPU before it trains.

    UserError as in `choose_way`, save that a compiler may be missing here: another host may have it.
    """
    if shape is None:
        return None
    kinds = {"gpu": ("cuda",), "cpu": ("cpu",), "auto": ("cuda", "cpu")}[devices.accelerator]
    if devices.accelerator == "auto" and devices.attention in ("varlen", "flex"):
        kinds = ("cuda",)
    sizes = {"head_size": shape.head_size, "dropout": shape.attention_dropout, "dense": shape.dense_attention}
    ways = {kind: choose_way(Attention(kind, devices.precision, **sizes), devices.attention) for kind in kinds}
    if len({str(way) for way in ways.values()}) == 1:
        text = str(ways[kinds[0]])
    else:
        text = f"on a GPU {ways['cuda']}; on a CPU {ways['cpu']}"
    missing = compiler_missing() if devices.attention == "flex" else ""
    return f"{text}. On this host {missing}" if missing else text


def compiler_missing() -> str:
    """What flex attention lacks to be compiled on this host, or "". Triton builds a Python extension at run time."""
    if find_spec("triton") is None:
        return "flex attention needs triton, which is not installed"
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "flex attention needs a C compiler, and neither CC nor gcc nor clang is found"
    headers = Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").is_file():
        return f"flex attention needs Python's C headers, and {headers} has no Python.h"
    return ""
