"""Packed rows as calls of a kernel that takes many stretches of any length at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .block_attention import Blocks


@dataclass(frozen=True)
class Part:
    """One call: stretch i of the chosen queries sees stretch i of the chosen keys."""

    queries: Tensor | None  # int64, rows of the queries; None: all, in order
    keys: Tensor | None  # int64, rows of keys and values, perhaps more than once; None: all, in order
    ends_q: Tensor  # int32 [stretches + 1]: 0, and where each stretch of queries ends
    ends_k: Tensor
    longest_q: int
    longest_k: int
    causal: bool  # the last query of a stretch sees its last key, the one before it all but that, and so on
    window: int | None = None  # with causal: a query sees itself and the window - 1 keys before


class Lies(Protocol):
    """A sample's place among the tokens, see `packed_rows.Span`."""

    start: int
    length: int
    prefix: int

    def causal(self) -> list[slice]: ...


def parts_of(blocks: Blocks, tokens: int, device: torch.device) -> list[Part]:
    """The calls for a batch's samples: what stretches see of themselves, and what they see before, to be merged.

    No part holds a token twice among its queries. `tokens`: of all rows.
    """
    parts = []
    for own, causal in ((blocks.causal, True), (blocks.whole, False)):
        if own:
            rows = _rows(own, tokens)
            parts.append(_part(rows, rows, _lengths(own), _lengths(own), causal, None, device))
    rounds: list[list[tuple[slice, slice]]] = []
    for queries, keys in blocks.shared:
        free = next((one for one in rounds if one[-1][0].stop <= queries.start), None)
        if free is None:
            rounds.append(free := [])
        free.append((queries, keys))
    for one in rounds:
        queries, keys = ([pair[i] for pair in one] for i in (0, 1))
        lengths = _lengths(queries), _lengths(keys)
        parts.append(_part(_rows(queries), _rows(keys), *lengths, False, None, device))
    return parts


def parts_in_window(spans: Sequence[Lies], window: int, tokens: int, device: torch.device) -> list[Part]:
    """The one call for samples of which some are longer than a sliding window: each branch behind a copy of as much of
    its prefix as it sees. Nothing can be merged: a window that reaches into the prefix ends elsewhere for every token.
    """
    queries = [own for span in spans for own in span.causal()]
    keys = [seen for span in spans for seen in _seen(span, window)]
    lengths = [sum(s.stop - s.start for s in seen) for seen in keys]
    chosen = _rows([stretch for seen in keys for stretch in seen])
    return [_part(_rows(queries, tokens), chosen, _lengths(queries), lengths, True, window, device)]


def _seen(span: Lies, window: int) -> list[list[slice]]:
    """What each causal stretch of a sample may see, in order."""
    own = span.causal()
    if not own or not 0 < span.prefix < span.length:
        return [[stretch] for stretch in own]
    end = span.start + span.prefix
    tail = slice(end - min(span.prefix, window - 1), end)
    return [[own[0]], *([tail, branch] for branch in own[1:])]


def _lengths(stretches: Sequence[slice]) -> list[int]:
    return [stretch.stop - stretch.start for stretch in stretches]


def _rows(stretches: Sequence[slice], tokens: int | None = None) -> np.ndarray | None:
    """The stretches' places one after the other; None where they are all `tokens` there are, in order."""
    if tokens is not None and sum(_lengths(stretches)) == tokens:
        return None
    return np.concatenate([np.arange(s.start, s.stop) for s in stretches] or [np.zeros(0, np.int64)])


def _part(
    queries: np.ndarray | None,
    keys: np.ndarray | None,
    lengths_q: list[int],
    lengths_k: list[int],
    causal: bool,
    window: int | None,
    device: torch.device,
) -> Part:
    def moved(values: np.ndarray | None, dtype: torch.dtype = torch.int64) -> Tensor | None:
        return None if values is None else torch.from_numpy(values).to(dtype).to(device, non_blocking=True)

    ends = [moved(np.cumsum([0, *lengths]), torch.int32) for lengths in (lengths_q, lengths_k)]
    longest = [max(lengths, default=0) for lengths in (lengths_q, lengths_k)]
    return Part(moved(queries), moved(keys), *ends, *longest, causal, window)
