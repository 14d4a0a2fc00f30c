"""The figures of engines' runs in words: who is how much faster, and how far that could go."""

from statistics import median


def middle(runs: list[dict], key: str) -> float:
    return median(run[key] for run in runs)


def show_speed(mix: str, found: dict[str, list[dict]], samples: int) -> dict[str, float]:
    """A line for each engine; returns how much faster ours is than each, the median of the pairs."""
    ours, speed = found["ours"], {}
    for engine, runs in found.items():
        ratios = [run["seconds"] / own["seconds"] for run, own in zip(runs, ours, strict=True)]
        speed[engine], memory = median(ratios), middle(runs, "peak_bytes")
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 and engine != "ours" else ""
        print(
            f"{mix:15} {engine:24} {samples / middle(runs, 'seconds'):6.2f} samples/s, ours x {speed[engine]:4.2f}"
            f"{spread}; peak {memory / 2**20:6.0f} MiB, ours x {middle(ours, 'peak_bytes') / memory:4.2f}; "
            f"losses {', '.join(f'{loss:.3f}' for loss in runs[0]['losses'])}",
            flush=True,
        )
    return speed


def show_limit(mix: str, found: dict[str, list[dict]], done: dict[str, float]) -> None:
    """What arithmetic there is, what is done (`done`, of each engine) and how fast: the bound of the speed over the
    peer, and what is left to it.
    """
    needed, rate = found["ours"][0]["needed"], middle([run for runs in found.values() for run in runs], "rate")
    parts = []
    for engine, runs in found.items():
        mfu = median(done[engine] / run["seconds"] / run["rate"] for run in runs)
        parts.append(f"{engine} does x {done[engine] / needed:4.2f} of it at {mfu:.0%} of the matrix product's speed")
    at_best = [needed / own["rate"] for own in found["ours"]]
    bound = median(peer["seconds"] / best for peer, best in zip(found["peer"], at_best, strict=True))
    left = median(own["seconds"] / best for own, best in zip(found["ours"], at_best, strict=True))
    print(
        f"{mix:15} needed {needed / 1e12:.2f} TFLOP, matrix product {rate / 1e9:.0f} GFLOP/s; {'; '.join(parts)}. "
        f"Bound: ours x {bound:.2f} (what is needed, at that speed); left to it: x {left:.2f} (MFU {1 / left:.0%})",
        flush=True,
    )
