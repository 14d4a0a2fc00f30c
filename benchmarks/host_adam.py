"""AdamW in host memory, as ZeRO steps with offload: one flat fp32 tensor, fused and plain, turn by turn in one run.

    python benchmarks/host_adam.py [--numbers 50000000] [--rounds 5] [--deepspeed]

Prints the median seconds of a step, the ratio plain / fused, the memory's speed at which the fused one runs, and the
largest difference between the two after all rounds, in last places of a weight and its updates together. `--deepspeed`
adds DeepSpeed's own CPU Adam, whose extension is compiled first (a C++ compiler and ninja). Threads as OMP_NUM_THREADS
says. Exit status 1 where fused is not at least five times as fast (ten is the aim; both are bound by memory), or a
weight is more than a few last places off.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch

RATIO, PLACES = 5.0, 4.0
BYTES_A_NUMBER = 4 * (4 + 3)  # weight, gradient and two means are read, all but the gradient written
SETTINGS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}


def flat(numbers: int) -> torch.nn.Parameter:
    draw = torch.Generator().manual_seed(5)
    parameter = torch.nn.Parameter(torch.randn(numbers, generator=draw))
    parameter.grad = torch.randn(numbers, generator=draw)
    return parameter


def deepspeed_adam(parameter: torch.nn.Parameter) -> torch.optim.Optimizer:
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return DeepSpeedCPUAdam([parameter], adamw_mode=True, **SETTINGS)


def timed(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def main() -> int:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--numbers", type=int, default=50_000_000)
    top.add_argument("--rounds", type=int, default=5)
    top.add_argument("--deepspeed", action="store_true")
    asked = top.parse_args()
    kinds = {
        "plain": lambda p: torch.optim.AdamW([p], fused=False, foreach=False, **SETTINGS),
        "fused": lambda p: torch.optim.AdamW([p], fused=True, **SETTINGS),
        **({"deepspeed": deepspeed_adam} if asked.deepspeed else {}),
    }
    weights = {kind: flat(asked.numbers) for kind in kinds}
    optimizers = {kind: make(weights[kind]) for kind, make in kinds.items()}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(asked.rounds + 1):  # the first makes the states
        for kind, optimizer in optimizers.items():
            took = timed(optimizer.step)
            if number:
                seconds[kind].append(took)
    median = {kind: statistics.median(times) for kind, times in seconds.items()}
    moved = SETTINGS["lr"] * (asked.rounds + 1)
    last_place = torch.finfo(torch.float32).eps * (weights["plain"].detach().abs() + moved)
    off = ((weights["fused"] - weights["plain"]).abs() / last_place).max().item()
    for kind, took in median.items():
        print(f"{kind:10} {took:8.3f} s a step   {median['plain'] / took:5.1f} x plain")
    speed = asked.numbers * BYTES_A_NUMBER / median["fused"] / 1e9
    print(
        f"{asked.numbers:,} numbers, {torch.get_num_threads()} threads; fused at {speed:.1f} GB/s; {off:.1f} places off"
    )
    return int(median["plain"] < RATIO * median["fused"] or off > PLACES)


if __name__ == "__main__":
    sys.exit(main())
