"""Deals a step's samples to its micro-batches so that all hold equal work: no device waits, none needs more memory.

The samples of a step are fixed by the stage's order. Which micro-batch holds which decides nothing but speed (the loss
is a sum over the step, divided once), so it may follow their lengths.
"""

import numpy as np

Dealt = list[list[np.ndarray]]  # [turn][rank] -> places within the step, rising


def deal(loads_SL: np.ndarray, turns: int, ranks: int) -> Dealt:
    """Samples of each micro-batch: `turns` of them one after another on each of `ranks` devices.

    `loads_SL` [samples, kinds of load] (text and image tokens). Largest sample first, each to the micro-batch whose
    load it adds to least; then alike micro-batches share a turn, and a turn's heaviest goes to the device with the
    least so far. A function of the loads alone, so every device knows what the others do. A micro-batch is empty only
    where there are fewer samples than micro-batches.
    """
    bins = turns * ranks
    total_L = loads_SL.sum(axis=0, dtype=np.float64)
    share_SL = loads_SL / np.where(total_L > 0, total_L, 1.0)
    size_S = share_SL.sum(axis=1)
    bin_load_BL = np.zeros((bins, loads_SL.shape[1]))
    members: list[list[int]] = [[] for _ in range(bins)]
    for sample in np.argsort(-size_S, kind="stable").tolist():
        # The sum of the loads' squares grows by twice this (and by what is the same for all).
        chosen = int(np.argmin(bin_load_BL @ share_SL[sample]))
        bin_load_BL[chosen] += share_SL[sample]
        members[chosen].append(sample)
    heaviest_first = np.argsort(-bin_load_BL.sum(axis=1), kind="stable").reshape(turns, ranks)
    so_far_R = np.zeros(ranks)
    dealt: Dealt = []
    for turn_R in heaviest_first:
        of_rank = np.empty(ranks, dtype=np.int64)
        of_rank[np.argsort(so_far_R, kind="stable")] = turn_R
        so_far_R += bin_load_BL[of_rank].sum(axis=1)
        dealt.append([np.sort(np.array(members[chosen], dtype=np.int64)) for chosen in of_rank])
    return dealt


def every_nth(samples: int, turns: int, ranks: int) -> Dealt:
    """The dealing that knows no lengths, to compare with."""
    places, bins = np.arange(samples), turns * ranks
    return [[places[turn * ranks + rank :: bins] for rank in range(ranks)] for turn in range(turns)]


def imbalance(loads_SL: np.ndarray, dealt: Dealt) -> np.ndarray:
    """Of each kind of load: the time of all devices, each turn waiting for its largest, over that of equal shares."""
    load_TRL = np.array([[loads_SL[places].sum(axis=0) for places in turn] for turn in dealt], dtype=np.float64)
    fair_L = load_TRL.sum(axis=(0, 1)) / load_TRL.shape[1]
    return load_TRL.max(axis=1).sum(axis=0) / np.where(fair_L > 0, fair_L, 1.0)


def mean_imbalance(
    loads_SL: np.ndarray, step_samples: int, turns: int, ranks: int, at_most: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """(every n-th sample to each, as dealt): `imbalance` in the mean over evenly chosen whole steps of a stage."""
    whole = len(loads_SL) // step_samples or 1
    steps = np.unique(np.linspace(0, whole - 1, min(whole, at_most)).astype(int))
    parts = [loads_SL[step * step_samples : (step + 1) * step_samples] for step in steps]
    plain = np.mean([imbalance(part, every_nth(len(part), turns, ranks)) for part in parts], axis=0)
    dealt = np.mean([imbalance(part, deal(part, turns, ranks)) for part in parts], axis=0)
    return plain, dealt
