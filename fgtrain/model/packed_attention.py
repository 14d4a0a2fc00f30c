"""Attention over packed rows without a mask of the whole row.

A row is block-diagonal: a token sees its own sample only. On CPU it is attended in blocks that need no mask
(block_attention), under dropout or where a sample is longer than a sliding window sample by sample through torch's
SDPA. On CUDA one flex-attention block mask, made once a batch, says the same. Either way a micro-batch is one long row
without padding.
"""

from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from fgtrain.batch import Batch
from fgtrain.errors import UserError

from .block_attention import Blocks, block_attention

PACKED = "fgtrain_packed"  # the name under which transformers' models find it


def mask_dtype(embeds: Tensor) -> torch.dtype:
    """The type attention will run in: a mask of a wider type would overflow when it is narrowed."""
    device = embeds.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeds.dtype


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
                # Branches lie one after the other: the place of a branch's first token is its place in the array.
                _, begin, inverse = np.unique(branch_L, return_index=True, return_inverse=True)
                alone_L = np.where(branch_L == 0, place_L, self.prefix + place_L - begin[inverse])
                allowed_QL &= alone_L[:, None] - alone_L[None, :] < window
            mask_QL = torch.zeros(allowed_QL.shape, dtype=dtype)
            mask_QL.masked_fill_(torch.from_numpy(~allowed_QL), torch.finfo(dtype).min)
            self._masks[key] = mask_QL.to(device)
        return self._masks[key]


class Spans(list[Span]):
    """All spans of a batch's rows, which follow each other without a gap."""

    @cached_property
    def blocks(self) -> Blocks:
        shared = [
            (slice(span.start + span.prefix, span.end), slice(span.start, span.start + span.prefix))
            for span in self
            if 0 < span.prefix < span.length
        ]
        return Blocks([own for span in self for own in span.causal()], shared)

    def fit(self, window: int | None) -> bool:
        """Is no sample longer than a sliding window?"""
        return window is None or all(span.length <= window for span in self if not span.padding)


def spans_of(sample_id_BT: Tensor, branch_id_BT: Tensor) -> Spans:
    """Every sample and every stretch of padding of all rows, rows one after the other."""
    T = sample_id_BT.shape[1]
    sample, branch = sample_id_BT.cpu().numpy().ravel(), branch_id_BT.cpu().numpy().ravel()
    new = np.ones(len(sample), dtype=bool)
    new[1:] = (sample[1:] != sample[:-1]) | (np.arange(1, len(sample)) % T == 0)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(sample))
    return Spans(_span(start, branch[start:end], sample[start] == 0) for start, end in zip(starts, ends, strict=True))


def _span(start: int, branch_L: np.ndarray, padding: bool) -> Span:
    several = not padding and branch_L[-1] > 1
    prefix = int(np.count_nonzero(branch_L == 0)) if several else len(branch_L)
    return Span(int(start), len(branch_L), prefix, branch_L[prefix:], bool(padding))


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    packed_spans: Spans | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention function: [B, heads, T, d] of query, key and value to [B, T, heads, d].

    Without `packed_spans` it is transformers' own SDPA under the given mask (generation), with a flex-attention block
    mask transformers' own flex attention.
    """
    if not isinstance(attention_mask, Tensor | None):
        found, _ = flex_attention_forward(module, query, key, value, attention_mask, scaling=scaling)
        return found, None
    if packed_spans is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, sliding_window=sliding_window, **kwargs
        )
    B, heads, T, d = query.shape
    # Views, not copies: in memory the tokens lie one after the other.
    query, key, value = (x.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None] for x in (query, key, value))
    if query.device.type == "cpu" and not dropout and packed_spans.fit(sliding_window):
        found = block_attention(query, key, value, packed_spans.blocks, scaling)
        return found.transpose(1, 2).view(B, T, heads, -1), None
    lengths = [span.length for span in packed_spans]
    options = {"dropout_p": dropout, "scale": scaling, "enable_gqa": key.shape[1] != heads}
    # split, not slices: its gradient is one concatenation instead of a zero-padded row a sample.
    pieces = zip(packed_spans, *(x.split(lengths, dim=2) for x in (query, key, value)), strict=True)
    found = [_sample(span, q, k, v, sliding_window, options) for span, q, k, v in pieces]
    out = torch.cat([piece.transpose(1, 2) for piece in found], dim=1)
    return out.view(B, T, heads, d), None


def _sample(span: Span, q: Tensor, k: Tensor, v: Tensor, window: int | None, options: dict) -> Tensor:
    if span.padding:
        return torch.zeros_like(q)
    if window is not None and span.length > window:
        return F.scaled_dot_product_attention(q, k, v, span.mask(window, mask_dtype(q), q.device), **options)
    prefix = span.prefix
    if prefix == span.length:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, **options)
    mask = span.mask(None, mask_dtype(q), q.device)
    branches = F.scaled_dot_product_attention(q[:, :, prefix:], k, v, mask, **options)
    if not prefix:
        return branches
    before = [x[:, :, :prefix] for x in (q, k, v)]
    return torch.cat([F.scaled_dot_product_attention(*before, is_causal=True, **options), branches], dim=2)


# What transformers makes masks of where it is asked to (generation): as for SDPA.
AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)


def use_packed_attention(decoder: PreTrainedModel) -> None:
    """Let a decoder that would run SDPA run this. One that takes no attention function stays with a dense mask."""
    if decoder.config._attn_implementation == "sdpa" and decoder._supports_attention_backend:
        decoder.set_attn_implementation(PACKED)


def attention_arguments(decoder: PreTrainedModel, batch: Batch) -> dict[str, Any] | None:
    """What the decoder's forward pass is called with beside embeddings and positions, made once a batch.

    None where the decoder does not run packed attention; UserError when a dense mask would not do either.
    """
    window = getattr(decoder.config, "sliding_window", None)
    if decoder.config._attn_implementation != PACKED:
        if window is not None and window < batch.sample_id_BT.shape[1]:
            name = type(decoder).__name__
            raise UserError(f"{name} has a sliding window of {window} tokens, which needs attention through sdpa")
        return None
    if batch.sample_id_BT.device.type == "cuda" and window is None and find_spec("triton") is not None:
        return {"attention_mask": block_mask(batch.sample_id_BT, batch.branch_id_BT)}
    spans = spans_of(batch.sample_id_BT, batch.branch_id_BT)
    # Any 4-D mask keeps transformers from making one of its own; it is not looked at.
    return {"attention_mask": torch.empty(0, 0, 0, 0), "packed_spans": spans}


def block_mask(sample_id_BT: Tensor, branch_id_BT: Tensor) -> BlockMask:
    """`allowed_attention_BTT` as flex attention takes it."""

    def allowed(b: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        same = (sample_id_BT[b, q] == sample_id_BT[b, k]) & (sample_id_BT[b, q] != 0)
        seen = (branch_id_BT[b, k] == 0) | (branch_id_BT[b, k] == branch_id_BT[b, q])
        return (same & seen & (q >= k)) | (q == k)

    B, T = sample_id_BT.shape
    # Compiled, the T x T mask never exists as a whole.
    compiled = sample_id_BT.device.type == "cuda"
    return create_block_mask(allowed, B, None, T, T, device=sample_id_BT.device, _compile=compiled)
