"""InternVL-2.5-8B's shape with 8 decoder layers at 4 x 2,050 tokens: alignment, SFT, and SFT with checkpointing."""

import importlib.util
import statistics
from typing import Any

import torch

from fgtrain.plan import StagePlan
from fgtrain.recipe import Recipe

from .found import Check, Found, NotHereError
from .models import drawn_model, free, prepared, train, write_recipe
from .timing import matmul_flops

LAYERS, STEPS, WARM = 8, 8, 3
GOALS = {"align": 0.50, "sft": 0.45}
OFF = 0.15  # of the plan's memory


def run(check: Check, found: Found, kernels: str = "torch") -> None:
    if kernels != "torch":
        _with_kernels(check, found, kernels)
        return
    layers = 2 if check.small else LAYERS
    plain = prepared(write_recipe(check, layers, STEPS, "plain", layer_kernels="torch"))
    again = prepared(write_recipe(check, layers, STEPS, "again", activation_checkpointing=True, layer_kernels="torch"))
    matmul = matmul_flops(check.device, torch.bfloat16, 8192 if not check.small else 256)
    found.figure("matmul FLOP/s", matmul)
    lvlm = drawn_model(plain, check)
    for title, recipe, stage in (("alignment", plain, "align"), ("SFT", plain, "sft"), ("SFT, again", again, "sft")):
        one_stage(check, found, title, recipe, stage, lvlm, matmul)


def _with_kernels(check: Check, found: Found, kernels: str) -> None:
    """SFT alone, with other kernels of the layers."""
    if check.small:
        raise NotHereError("what is won by fused layers shows on a GPU alone")
    if kernels == "liger" and importlib.util.find_spec("liger_kernel") is None:
        raise NotHereError("liger-kernel is not installed")
    recipe = prepared(write_recipe(check, LAYERS, STEPS, kernels, layer_kernels=kernels))
    matmul = matmul_flops(check.device, torch.bfloat16, 8192)
    one_stage(check, found, f"SFT, {kernels}", recipe, "sft", drawn_model(recipe, check), matmul)


def one_stage(
    check: Check, found: Found, title: str, recipe: Recipe, stage: str, lvlm: Any, matmul: float | None = None
) -> None:
    """Train it and note its figures."""
    free(lvlm)
    planned, rows = train(recipe, stage, lvlm)
    figures = figures_of(planned, rows, matmul)
    if not check.small:
        figures["reserved bytes"] = torch.cuda.max_memory_reserved()
    found.figure(title, figures)
    found.require(all(row["loss"] == row["loss"] for row in rows), f"{title}: a loss is not a number")
    found.say(f"{title}: {_words(figures, GOALS.get(stage), check.small)}")
    off = figures["plan / peak"] - 1
    counted = not check.small and recipe.devices.layer_kernels == "torch"  # the plan knows no fused layer
    found.require(not counted or abs(off) <= OFF, f"{title}: the plan's memory is off by {off:+.0%}")


def figures_of(planned: StagePlan, rows: list[dict[str, Any]], matmul: float | None) -> dict[str, Any]:
    """The steps' medians after those that warm up, and the peak beside the plan's."""
    warm = rows[min(WARM, len(rows) - 1) :]
    found = {
        name: statistics.median(row[name] for row in warm)
        for name in ("tokens_per_s", "data_wait", "mfu")
        if all(row.get(name) is not None for row in warm)
    }
    peak = max(row["memory_gib"] for row in rows) * 2**30
    found |= {"losses": [row["loss"] for row in rows], "tokens": planned.heaviest_tokens}
    found |= {"peak bytes": peak, "plan bytes": planned.memory_bytes, "plan / peak": planned.memory_bytes / peak}
    if matmul and planned.flops and planned.tokens and "tokens_per_s" in found:
        per_token = planned.flops / planned.tokens
        found["of the matrix product"] = per_token * found["tokens_per_s"] / matmul
    return found


def _words(figures: dict[str, Any], goal: float | None, small: bool) -> str:
    text = f"{figures['tokens_per_s']:,.0f} tokens/s at {figures['tokens']:,} a micro-batch"
    text += f", waits for data {figures['data_wait']:.1%}"
    if small:
        return text
    if "mfu" in figures:
        text += f", MFU {figures['mfu']:.1%}" + (f" (goal {goal:.0%})" if goal else "")
    if "of the matrix product" in figures:
        text += f", {figures['of the matrix product']:.1%} of the matrix product measured"
    peak, plan = (figures[name] / 2**30 for name in ("peak bytes", "plan bytes"))
    return f"{text}, peak {peak:.2f} GiB, plan {plan:.2f}"
