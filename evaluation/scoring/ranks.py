"""Rank correlation."""

import numpy as np


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rho, equal numbers sharing a rank; None where all numbers of a side are alike."""
    ranks = [(one[:, None] > one).sum(1) + ((one[:, None] == one).sum(1) - 1) / 2 for one in (a, b)]
    if any(np.ptp(one) == 0 for one in ranks):
        return None
    return float(np.corrcoef(ranks)[0, 1])
