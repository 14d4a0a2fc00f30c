"""The sums that a plan and the training share, each in one place."""

import math
from collections.abc import Mapping
from fractions import Fraction

from fgtrain.recipe import Devices

BYTES_FP32, BYTES_BF16 = 4, 2


def split_passes(passes: float, rows: int) -> tuple[int, int]:
    """(whole passes, rows of the last, partial pass). 2.5 passes of 11 rows are two whole ones and 6 rows (half up)."""
    exact = Fraction(repr(float(passes)))  # as written: 0.1 is a tenth, not the nearest binary fraction
    whole = int(exact)
    return whole, math.floor((exact - whole) * rows + Fraction(1, 2))


def samples_of(passes: float, rows: int) -> int:
    """Samples that `passes` over `rows` rows give."""
    whole, rest = split_passes(passes, rows)
    return whole * rows + rest


def views_of(passes: float, pictures: int, fixed: int | None) -> int:
    """Most different pictures that `passes` show, each with so many `fixed` views; None: a new one in each pass."""
    seen = passes if fixed is None else min(passes, fixed)
    return samples_of(seen, pictures)


def stage_samples(
    mix: Mapping[str, float], rows: Mapping[str, int], steps: int | None, global_batch_size: int
) -> dict[str, int]:
    """Samples of each data set in a stage: what its passes give, or, with `steps`, their shares of all its steps.

    Then all passes are scaled by one factor, and what is lost in rounding down goes to the largest remainders, so that
    the sum is steps x global_batch_size exactly. Passes that give that sum anyway are left as they are.
    """
    counts = {name: samples_of(passes, rows[name]) for name, passes in mix.items()}
    total = sum(counts.values())
    if steps is None or not total:
        return counts
    wanted = steps * global_batch_size
    shares = {name: divmod(count * wanted, total) for name, count in counts.items()}
    left = wanted - sum(whole for whole, _ in shares.values())
    # By name where remainders are equal, so that the order in which a mix is written does not count.
    up = set(sorted(shares, key=lambda name: (-shares[name][1], name))[:left])
    return {name: whole + (name in up) for name, (whole, _) in shares.items()}


def stage_passes(
    mix: Mapping[str, float], rows: Mapping[str, int | None], steps: int | None, global_batch_size: int
) -> dict[str, float | None]:
    """Passes over each data set in a stage, as `steps` scales them; None where the rows that decide it are unknown."""
    if steps is None:
        return dict(mix)
    if None in rows.values():
        return dict.fromkeys(mix)
    samples = stage_samples(mix, rows, steps, global_batch_size)
    return {name: samples[name] / rows[name] if rows[name] else 0.0 for name in mix}


def steps_of(samples: int, global_batch_size: int) -> int:
    """Optimizer steps; the last one may hold fewer samples, none is dropped."""
    return -(-samples // global_batch_size)


def warmup_steps_of(steps: int, fraction: float) -> int:
    return math.ceil(fraction * steps)


def resolved_strategy(devices: Devices) -> str:
    """The strategy's name: `auto` is ddp on several devices and single on one."""
    if devices.strategy == "auto":
        return "ddp" if devices.world_size > 1 else "single"
    return devices.strategy


def held_bytes(
    total: int, trainable: int, precision: str, strategy: str, devices: int, averaged: int = 0
) -> tuple[int, int, int]:
    """Bytes per device of (weights, gradients, AdamW's two states); activations: see fgtrain.plan.memory.

    `averaged`: learning parameters whose average is kept in fp32, with the states and spread as they are.

    Mixed precision keeps fp32 weights. DeepSpeed in bf16 keeps bf16 weights beside an fp32 master copy. Gradients are
    added up in fp32 everywhere.
    ZeRO stage 1 spreads the optimizer's states over the devices, 2 also the gradients, 3 (and FSDP) also the weights.
    """
    deepspeed = strategy.startswith("deepspeed")
    half = deepspeed and precision == "bf16"
    weights = total * (BYTES_BF16 if half else BYTES_FP32)
    gradients = trainable * BYTES_FP32
    states = trainable * BYTES_FP32 * (3 if half else 2) + averaged * BYTES_FP32
    stage = 3 if strategy == "fsdp" else int(strategy[-1]) if deepspeed else 0
    spread_from = ((weights, 3), (gradients, 2), (states, 1))
    return tuple(-(-size // devices) if stage >= first else size for size, first in spread_from)


def offloaded_bytes(held: tuple[int, int, int], offload: str | None) -> tuple[int, int, int]:
    """Of `held_bytes` what lies in host memory instead: AdamW's states, with offload "parameters" the weights too."""
    weights, _, states = held
    return (weights if offload == "parameters" else 0, 0, states if offload is not None else 0)


def on_device(held: tuple[int, int, int], offload: str | None) -> tuple[int, int, int]:
    """Of `held_bytes` what is left on the device."""
    weights, gradients, states = (a - b for a, b in zip(held, offloaded_bytes(held, offload), strict=True))
    return weights, gradients, states
