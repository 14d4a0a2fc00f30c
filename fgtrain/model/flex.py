"""Flex attention over packed rows: one kernel that triton compiles, with a block mask made once a batch."""

import sys
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from data_builders.shared.terminal import say

from .packed_rows import PackedRows

# Else torch picks its kernel for decoding at lengths under 128, which has no choice for grouped heads in training.
KERNEL = {"BACKEND": "TRITON"}
MOST_GRAPHS = 6  # of one kind of mask: of the first length, of any and of a single block, with and without gradients
BACKEND = "inductor"


class Compiled:
    """Flex attention, compiled at the first call and whenever a call does not fit what there is."""

    def __init__(self) -> None:
        self.graphs = 0  # that have been compiled
        self.masks: set[str] = set()  # kinds of masks that have been seen
        # One length, then any: told at once that sizes vary, torch would make numbers of the scale and the mask's
        # blocks too, for which its kernels are not written. Past its limit it fails, and does not run uncompiled.
        limit = {"recompile_limit": 4 * MOST_GRAPHS} if "recompile_limit" in signature(torch.compile).parameters else {}
        self._call = torch.compile(flex_attention, backend=self._compile, fullgraph=True, **limit)

    def __call__(self, *values: Tensor, kind: str, **options: Any) -> Tensor:
        self.masks.add(kind)
        return self._call(*values, **options)

    def _compile(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable:
        self.graphs += 1
        if self.graphs == MOST_GRAPHS * len(self.masks) + 1:
            say(
                f"attention: flex attention has been compiled {self.graphs} times, more than the "
                f"{MOST_GRAPHS * len(self.masks)} that lengths and gradients explain, each for up to a minute. "
                f"Write devices.attention: auto",
                file=sys.stderr,
            )
        return torch._dynamo.lookup_backend(BACKEND)(graph, inputs)


@cache
def compiled() -> Compiled:
    """The one of this process."""
    return Compiled()


def graphs() -> int:
    """How many graphs of flex attention this process has compiled."""
    return compiled().graphs if compiled.cache_info().currsize else 0


def flex(q: Tensor, k: Tensor, v: Tensor, rows: PackedRows, window: int | None, scale: float | None) -> Tensor:
    """[B, heads, T, d] of query, key and value to the same."""
    groups = q.shape[1] // k.shape[1]
    if groups & (groups - 1):  # its kernels share a key's head among powers of two
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    window = None if rows.fit(window) else window
    options = {"block_mask": _mask(rows, window), "enable_gqa": q.shape[1] != k.shape[1], "kernel_options": KERNEL}
    kind = "pictures" if rows.pictures_BT is not None else f"window {window}"
    return compiled()(q, k, v, kind=kind, scale=scale, **options)


def _mask(rows: PackedRows, window: int | None) -> BlockMask:
    key = ("block mask", window)
    if key not in rows.made:
        alone = None if window is None else rows.alone_BT()
        rows.made[key] = block_mask(rows.sample_id_BT, rows.branch_id_BT, window, alone, rows.pictures_BT)
    return rows.made[key]


def block_mask(
    sample_id_BT: Tensor,
    branch_id_BT: Tensor,
    window: int | None = None,
    alone_BT: Tensor | None = None,
    pictures_BT: Tensor | None = None,
) -> BlockMask:
    """`allowed_attention_BTT` as flex attention takes it; `alone_BT` (needed with a window), `pictures_BT`: see
    PackedRows.
    """

    def allowed(b: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        same = (sample_id_BT[b, q] == sample_id_BT[b, k]) & (sample_id_BT[b, q] != 0)
        seen = (branch_id_BT[b, k] == 0) | (branch_id_BT[b, k] == branch_id_BT[b, q])
        return (same & seen & (q >= k)) | (q == k)

    def in_window(b: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return allowed(b, head, q, k) & (alone_BT[b, q] - alone_BT[b, k] < window)

    def with_pictures(b: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        joined = (pictures_BT[b, q] == pictures_BT[b, k]) & (pictures_BT[b, q] != 0)
        return allowed(b, head, q, k) | joined

    B, T = sample_id_BT.shape
    # Compiled, the T x T mask never exists as a whole.
    gpu = sample_id_BT.device.type == "cuda"
    chosen = with_pictures if pictures_BT is not None else allowed if window is None else in_window
    return create_block_mask(chosen, B, None, T, T, device=sample_id_BT.device, _compile=gpu)
