"""Packed rows of every kind, and what a way of attention makes of them."""

import numpy as np
import torch
from torch import Tensor

from fgtrain.model.attend import attention_by


def drawn_rows(T: int, seed: int, B: int = 2) -> tuple[Tensor, Tensor]:
    """sample_id_BT and branch_id_BT: samples with up to five branches, some without a prefix, perhaps padding."""
    draw = np.random.default_rng(seed)
    sample, branch = np.zeros((B, T), np.int64), np.zeros((B, T), np.int64)
    for b in range(B):
        end, number = T - int(draw.integers(0, max(1, T // 8))), 0
        place = 0
        while place < end:
            number += 1
            length = min(end - place, int(draw.integers(1, max(2, T))))
            prefix = int(draw.integers(0, length + 1))
            cuts = np.sort(draw.integers(prefix, length + 1, int(draw.integers(0, 5))))
            sample[b, place : place + length] = number
            inside = 1 + np.searchsorted(np.unique(cuts[cuts > prefix]), np.arange(prefix, length), side="right")
            branch[b, place + prefix : place + length] = inside
            place += length
    return torch.from_numpy(sample), torch.from_numpy(branch)


def values_and_gradients(way: str, given: list[Tensor], weights: Tensor, *rows: Tensor, **options):
    given = [one.detach().clone().requires_grad_() for one in given]
    out = attention_by(way, *given, *rows, scale=0.3, **options)
    real = (rows[0] != 0)[..., None, None]
    return [out.detach() * real, *torch.autograd.grad((out * weights * real).sum(), given)]
