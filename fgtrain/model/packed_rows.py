"""Where the samples of packed rows lie, and what that means for each way to compute attention over them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .block_attention import Blocks
from .varlen_parts import Part, parts_in_window, parts_of


@dataclass
class Span:
    """A sample's place in the flattened rows, or a stretch of padding (`branches` empty)."""

    start: int
    length: int
    prefix: int  # tokens of the prefix; the whole sample where it has one branch at most
    branch_ids: np.ndarray  # [length - prefix]; empty where the sample has one branch at most
    padding: bool = False
    pictures: np.ndarray | None = None  # [length], of which picture a token is, 0: of none; where those see both ways
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

    def blocks(self) -> Iterator[tuple[slice, bool, list[slice]]]:
        """(stretch, sees it itself causally and not whole?, what of the sample each of its tokens sees before it)."""
        prefix = slice(self.start, self.start + self.prefix)
        for whole in self.causal():
            sees = [prefix] if 0 < self.prefix <= whole.start - self.start else []
            for own, picture in self._pictures(whole):
                yield own, not picture, [*sees, slice(whole.start, own.start)] if own.start > whole.start else sees

    def _pictures(self, stretch: slice) -> list[tuple[slice, bool]]:
        """The stretch cut into text and pictures; uncut where pictures see nothing that follows."""
        if self.pictures is None:
            return [(stretch, False)]
        inside = self.pictures[stretch.start - self.start : stretch.stop - self.start]
        cuts = [0, *(np.flatnonzero(np.diff(inside)) + 1).tolist(), len(inside)]
        return [(slice(stretch.start + a, stretch.start + b), bool(inside[a])) for a, b in pairwise(cuts)]

    def alone_L(self) -> np.ndarray:
        """Each token's place in its branch as it would stand alone, behind the prefix."""
        branch_L = np.concatenate([np.zeros(self.prefix, self.branch_ids.dtype), self.branch_ids])
        place_L = np.arange(self.length)
        # Branches lie one after the other: the place of a branch's first token is its place in the array.
        _, begin, inverse = np.unique(branch_L, return_index=True, return_inverse=True)
        return np.where(branch_L == 0, place_L, self.prefix + place_L - begin[inverse])

    def mask(self, window: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Float mask [queries, length] of the branches' tokens; [length, length] of all tokens with a sliding window or
        where pictures see both ways. In a window a branch counts on from the prefix, as if it stood alone.
        """
        key = (window, dtype, device)
        if key not in self._masks:
            branch_L = np.concatenate([np.zeros(self.prefix, self.branch_ids.dtype), self.branch_ids])
            first = self.prefix if window is None and self.pictures is None else 0
            q_Q1, k_1L = branch_L[first:, None], branch_L[None, :]
            place_L = np.arange(self.length)
            allowed_QL = (place_L[first:, None] >= place_L[None, :]) & ((k_1L == 0) | (k_1L == q_Q1))
            if window is not None:
                alone_L = self.alone_L()
                allowed_QL &= alone_L[:, None] - alone_L[None, :] < window
            if self.pictures is not None:
                allowed_QL |= (self.pictures[:, None] == self.pictures) & (self.pictures != 0)
            mask_QL = torch.zeros(allowed_QL.shape, dtype=dtype)
            mask_QL.masked_fill_(torch.from_numpy(~allowed_QL), torch.finfo(dtype).min)
            self._masks[key] = mask_QL.to(device)
        return self._masks[key]


class PackedRows:
    """The spans of a batch's rows, which follow each other without a gap, and how attention over them is computed."""

    def __init__(
        self,
        sample_id_BT: Tensor,
        branch_id_BT: Tensor,
        way: str,
        dtype: torch.dtype,
        pictures_BT: Tensor | None = None,
    ) -> None:
        """`way`: a key of `fgtrain.plan.attention_way.WHAT`; `dtype`: in which it runs; `pictures_BT`: of which picture
        a token is (`joined_runs`), where a picture's tokens see each other both ways.
        """
        self.sample_id_BT, self.branch_id_BT, self.pictures_BT = sample_id_BT, branch_id_BT, pictures_BT
        self.way, self.dtype = way, dtype
        self.made: dict = {}  # what a way needs of the rows, made once a batch and window

    @cached_property
    def spans(self) -> list[Span]:
        """Every sample and every stretch of padding of all rows, rows one after the other."""
        T = self.sample_id_BT.shape[1]
        given = [self.sample_id_BT, self.branch_id_BT, self.pictures_BT]
        read = torch.stack([one for one in given if one is not None]).cpu().numpy()  # one wait for the GPU, not three
        sample, branch, pictures = read[0].ravel(), read[1].ravel(), read[2].ravel() if len(read) > 2 else None
        new = np.ones(len(sample), dtype=bool)
        new[1:] = (sample[1:] != sample[:-1]) | (np.arange(1, len(sample)) % T == 0)
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(sample))
        return [
            _span(start, branch[start:end], sample[start] == 0, None if pictures is None else pictures[start:end])
            for start, end in zip(starts, ends, strict=True)
        ]

    @cached_property
    def blocks(self) -> Blocks:
        found = Blocks([], [], [])
        for own, causal, before in (block for span in self.spans for block in span.blocks()):
            (found.causal if causal else found.whole).append(own)
            for seen in before:
                last = found.shared[-1] if found.shared else None
                if last is not None and last[1] == seen and last[0].stop == own.start:
                    found.shared[-1] = (slice(last[0].start, own.stop), seen)  # the branches of a prefix
                else:
                    found.shared.append((own, seen))
        return found

    def fit(self, window: int | None) -> bool:
        """Is no sample longer than a sliding window?"""
        return window is None or all(span.length <= window for span in self.spans if not span.padding)

    def parts(self, window: int | None) -> list[Part]:
        """The calls of a kernel for stretches of any length, on the rows' device."""
        window = None if self.fit(window) else window
        key = ("parts", window)
        if key not in self.made:
            device, tokens = self.sample_id_BT.device, self.sample_id_BT.numel()
            if window is None:
                self.made[key] = parts_of(self.blocks, tokens, device)
            else:
                self.made[key] = parts_in_window(self.spans, window, tokens, device)
        return self.made[key]

    def alone_BT(self) -> Tensor:
        """int32, on the rows' device: `Span.alone_L` of every token."""
        if "alone" not in self.made:
            alone = np.concatenate([span.alone_L() for span in self.spans]).astype(np.int32)
            shape, device = self.sample_id_BT.shape, self.sample_id_BT.device
            self.made["alone"] = torch.from_numpy(alone).view(shape).to(device)
        return self.made["alone"]


def _span(start: int, branch_L: np.ndarray, padding: bool, pictures_L: np.ndarray | None) -> Span:
    several = not padding and branch_L[-1] > 1
    prefix = int(np.count_nonzero(branch_L == 0)) if several else len(branch_L)
    return Span(int(start), len(branch_L), prefix, branch_L[prefix:], bool(padding), pictures_L)
