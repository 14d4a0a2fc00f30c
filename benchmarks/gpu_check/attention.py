"""Every way of packed attention against the dense rule: values and gradients, over lengths, head groups and types."""

from typing import Any

import torch
from torch import Tensor

from fgtrain.model.attend import attention_by
from fgtrain.model.flex import graphs

from .found import Check, Found
from .models import sizes_of
from .timing import seconds_of

WAYS = {"cuda": ("varlen", "sdpa", "flex"), "cpu": ("varlen", "sdpa", "blocks")}
LENGTHS = (2, 15, 16, 17, 33, 64, 100, 127, 128, 129, 200, 513, 1025, 2050, 4100)
GROUPS = ((32, 8, 128), (28, 4, 128), (16, 16, 64), (24, 8, 96), (8, 1, 256))  # heads, those of keys, size
FLEX_LENGTHS = (2, 33, 100, 127, 128, 200, 2050)
TYPES = {"bf16": (torch.bfloat16, 4e-2), "fp32": (torch.float32, 1e-3)}  # and how far off the largest value may be
NOT = {("varlen", "fp32", "cuda"): "flash attention takes no fp32"}


def run(check: Check, found: Found) -> None:
    lengths, groups = (LENGTHS, GROUPS) if not check.small else ((2, 33, 130), ((4, 2, 16), (3, 3, 32)))
    for way in WAYS[check.device]:
        if way == "flex":  # each size of a head is compiled anew, for half a minute
            lengths, groups = FLEX_LENGTHS, GROUPS[:2]
        for name in TYPES:
            if why := NOT.get((way, name, check.device)):
                found.say(f"{way} in {name}: {why}")
                continue
            _compare(check, found, way, name, lengths, groups)
        _time(check, found, way)
    found.figure("flex graphs", graphs())
    found.say(f"flex attention was compiled {graphs()} times")


def _compare(check: Check, found: Found, way: str, name: str, lengths: tuple, groups: tuple) -> None:
    dtype, most = TYPES[name]
    worst: tuple[float, Any] = (0.0, None)
    for heads, kv_heads, size in groups:
        for length in lengths:
            at = f"{heads}/{kv_heads} heads of {size}, {length} tokens"
            try:
                off = _off(check.device, way, dtype, length, (heads, kv_heads, size))
            except Exception as error:  # one that does not compile must not hide the others
                found.require(False, f"{way} in {name} at {at}: {type(error).__name__}: {str(error)[:200]}")
                break
            worst = max(worst, (off if off == off else float("inf"), at), key=lambda pair: pair[0])
        found.figure(f"{way} {name}", {"worst": worst[0], "at": worst[1]})
    found.require(worst[0] <= most, f"{way} in {name} is off by {worst[0]:.2g} at {worst[1]}")
    found.say(f"{way} in {name}: off by at most {worst[0]:.2g} of the largest value, at {worst[1]}")


def _off(device: str, way: str, dtype: torch.dtype, length: int, heads: tuple[int, int, int]) -> float:
    """The largest difference from the dense rule, of values or a gradient, relative to the largest of its kind.

    Values are drawn with a spread of one: where all of a kind should be nearly zero, what rounding leaves is no error.
    """
    sample, branch = row_of(length, device)
    seen = (sample > 0)[:, :, None, None]
    given, weights = drawn(device, dtype, length, heads)
    results = []
    for one in ("dense", way):
        inputs = [x.detach().clone().requires_grad_() for x in given]
        out = attention_by(one, *inputs, sample, branch) * seen  # what padding reads is nobody's
        gradients = torch.autograd.grad((out.float() * weights).sum(), inputs)
        results.append([out.detach(), *gradients])
    return max(
        float((mine.float() - right.float()).abs().max() / right.float().abs().max().clamp_min(1.0))
        for right, mine in zip(*results, strict=True)
    )


def row_of(length: int, device: str) -> tuple[Tensor, Tensor]:
    """A row of so many tokens: a sample with two branches, one without, and some padding; (sample, branch) ids."""
    padding, first = length // 17, (length - length // 17 + 1) // 2
    prefix, branch = max(1, first // 2), (first - max(1, first // 2) + 1) // 2
    branches = [0] * prefix + [1] * min(branch, first - prefix)
    branches += [2] * (first - len(branches))
    second = length - padding - first
    sample = [1] * first + [2] * second + [0] * padding
    branches += [0] * (second + padding)
    return torch.tensor([sample], device=device), torch.tensor([branches], device=device)


def drawn(device: str, dtype: torch.dtype, length: int, heads: tuple[int, int, int]) -> tuple[list[Tensor], Tensor]:
    """(query, key and value as a model makes them, weights of the outputs)."""
    chance, (many, few, size) = torch.Generator(device).manual_seed(length), heads

    def values(count: int) -> Tensor:
        return torch.randn(1, length, count, size, generator=chance, device=device).to(dtype).transpose(1, 2)

    return [values(many), values(few), values(few)], values(many).transpose(1, 2).float()


def _time(check: Check, found: Found, way: str) -> None:
    """Forward and backward of a micro-batch's attention in bf16, 4 x 2,050 tokens."""
    sizes, one = sizes_of(check), 2050 if not check.small else 60
    heads = (sizes.heads, sizes.kv_heads, sizes.hidden // sizes.heads)
    sample = torch.arange(1, 5, device=check.device).repeat_interleave(one)[None]
    given, weights = drawn(check.device, torch.bfloat16, 4 * one, heads)
    inputs = [x.detach().clone().requires_grad_() for x in given]

    def step() -> None:
        out = attention_by(way, *inputs, sample, torch.zeros_like(sample))
        torch.autograd.grad((out.float() * weights).sum(), inputs)

    try:
        seconds = seconds_of(step)
    except Exception as error:
        found.require(False, f"{way} at 4 x {one} tokens: {type(error).__name__}: {str(error)[:200]}")
        return
    flops = 3.5 * 4 * heads[0] * heads[2] * 4 * one * (one + 1) / 2
    found.figure(f"{way} seconds", seconds)
    found.say(
        f"{way}: {seconds * 1e3:.2f} ms for 4 x {one:,} tokens there and back, {flops / seconds / 1e12:.3g} TFLOP/s"
    )
