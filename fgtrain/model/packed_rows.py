"""Where the samples of packed rows lie, and what that means for each way to compute attention over them."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .block_attention import Blocks
from .varlen_parts import Part, parts_of


@dataclass
class Span:
    """A sample's place in the flattened rows, or a stretch of padding (`branches` empty)."""

    start: int
    length: int
    prefix: int  # tokens of the prefix; the whole sample where it has one branch at most
    branch_ids: np.ndarray  # [length - prefix]; empty where the sample has one branch at most
    padding: bool = False
    _masks: dict = field(default_factory=dict, repr=False)

    @property
    def end(self) -> int:
        return self.start + self.length

    def causal(self) -> list[slice]:
        """The stretches that see themselves: the prefix and each branch, or the whole sample."""
        if self.padding:
            return []
        steps = np.flatnonzero(np.diff(self.branch_ids)) + 1
        cuts = [self.start, *(self.start + self.prefix + steps).tolist(), self.end]
        if 0 < self.prefix < self.length:
            cuts.insert(1, self.start + self.prefix)
        return [slice(begin, end) for begin, end in pairwise(cuts)]

    def alone_L(self) -> np.ndarray:
        """Each token's place in its branch as it would stand alone, behind the prefix."""
        branch_L = np.concatenate([np.zeros(self.prefix, self.branch_ids.dtype), self.branch_ids])
        place_L = np.arange(self.length)
        # Branches lie one after the other: the place of a branch's first token is its place in the array.
        _, begin, inverse = np.unique(branch_L, return_index=True, return_inverse=True)
        return np.where(branch_L == 0, place_L, self.prefix + place_L - begin[inverse])

    def mask(self, window: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Float mask [queries, length] of the branches' tokens; with a sliding window [length, length] of all tokens.

        In a window a branch counts on from the prefix, as if it stood alone.
        """
        key = (window, dtype, device)
        if key not in self._masks:
            branch_L = np.concatenate([np.zeros(self.prefix, self.branch_ids.dtype), self.branch_ids])
            first = self.prefix if window is None else 0
            q_Q1, k_1L = branch_L[first:, None], branch_L[None, :]
            place_L = np.arange(self.length)
            allowed_QL = (place_L[first:, None] >= place_L[None, :]) & ((k_1L == 0) | (k_1L == q_Q1))
            if window is not None:
                alone_L = self.alone_L()
                allowed_QL &= alone_L[:, None] - alone_L[None, :] < window
            mask_QL = torch.zeros(allowed_QL.shape, dtype=dtype)
            mask_QL.masked_fill_(torch.from_numpy(~allowed_QL), torch.finfo(dtype).min)
            self._masks[key] = mask_QL.to(device)
        return self._masks[key]


class PackedRows:
    """The spans of a batch's rows, which follow each other without a gap, and how attention over them is computed."""

    def __init__(self, sample_id_BT: Tensor, branch_id_BT: Tensor, way: str, dtype: torch.dtype) -> None:
        """`way`: a key of `fgtrain.plan.attention_way.WHAT`; `dtype`: the type in which it runs."""
        self.sample_id_BT, self.branch_id_BT = sample_id_BT, branch_id_BT
        self.way, self.dtype = way, dtype
        self.made: dict = {}  # what a way needs of the rows, made once a batch and window

    @cached_property
    def spans(self) -> list[Span]:
        """Every sample and every stretch of padding of all rows, rows one after the other."""
        T = self.sample_id_BT.shape[1]
        both = torch.stack([self.sample_id_BT, self.branch_id_BT]).cpu().numpy()  # one wait for the GPU, not two
        sample, branch = both[0].ravel(), both[1].ravel()
        new = np.ones(len(sample), dtype=bool)
        new[1:] = (sample[1:] != sample[:-1]) | (np.arange(1, len(sample)) % T == 0)
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(sample))
        return [_span(start, branch[start:end], sample[start] == 0) for start, end in zip(starts, ends, strict=True)]

    @cached_property
    def blocks(self) -> Blocks:
        shared = [
            (slice(span.start + span.prefix, span.end), slice(span.start, span.start + span.prefix))
            for span in self.spans
            if 0 < span.prefix < span.length
        ]
        return Blocks([own for span in self.spans for own in span.causal()], shared)

    def fit(self, window: int | None) -> bool:
        """Is no sample longer than a sliding window?"""
        return window is None or all(span.length <= window for span in self.spans if not span.padding)

    def parts(self, window: int | None) -> list[Part]:
        """The calls of a kernel for stretches of any length, on the rows' device."""
        window = None if self.fit(window) else window
        key = ("parts", window)
        if key not in self.made:
            self.made[key] = parts_of(self.spans, window, self.sample_id_BT.device)
        return self.made[key]

    def alone_BT(self) -> Tensor:
        """int32, on the rows' device: `Span.alone_L` of every token."""
        if "alone" not in self.made:
            alone = np.concatenate([span.alone_L() for span in self.spans]).astype(np.int32)
            shape, device = self.sample_id_BT.shape, self.sample_id_BT.device
            self.made["alone"] = torch.from_numpy(alone).view(shape).to(device)
        return self.made["alone"]


def _span(start: int, branch_L: np.ndarray, padding: bool) -> Span:
    several = not padding and branch_L[-1] > 1
    prefix = int(np.count_nonzero(branch_L == 0)) if several else len(branch_L)
    return Span(int(start), len(branch_L), prefix, branch_L[prefix:], bool(padding))
