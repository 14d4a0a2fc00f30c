"""What is asked of a decoder and what it gives: questions that go on from a prefix that has been read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .key_value_cache import RoomyCache
from .name_trie import NameTrie

Option = tuple[float, int]
LOGITS_AT_ONCE = 1 << 26  # 256 MiB in fp32
PADDING = -1  # the owner of padding; the prefix is 0, branches of a row count from 1


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. `uniforms`: one number in [0, 1) for each token that it may have: the same numbers give
    the same answer, whatever else is asked."""

    temperature: float
    uniforms: Sequence[float]


@dataclass(frozen=True)
class Branch:
    """One question: the prefix it goes on from, its own tokens, and the answers whose probability is wanted.

    `options` as the beginning of the answer, `names` as the whole of it. The answer is the greedy one without
    `sampling`.
    """

    prefix: int
    ids: Sequence[int]
    max_new_tokens: int
    options: tuple[tuple[int, ...], ...] = ()
    names: NameTrie | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Reply:
    """New token ids without the end token; did the end token come; (sum of ln p, tokens) of each option; ln p of each
    name with the end behind it; which of the end tokens came."""

    tokens: list[int]
    finished: bool
    options: tuple[Option, ...] = ()
    names: tuple[float, ...] = ()
    end: int | None = None


@dataclass(frozen=True)
class Prefixes:
    """What has been read of some prefixes."""

    layers: Sequence[tuple[Tensor, Tensor]]  # keys, values [prefixes, heads, longest, head size], padded on the right
    length_R: Tensor  # tokens of each; 0 where nothing is common
    position_R: Tensor  # of the token that comes next
    last_RD: Tensor | None  # hidden state of each one's last token, from which an empty branch answers


@dataclass(frozen=True)
class Language:
    """A decoder that gives last_hidden_state from inputs_embeds, with what is before and after it."""

    decoder: nn.Module
    lm_head: nn.Module
    embedding: nn.Module
    end: Tensor  # int64 [E], the tokens that end an answer
    position_axes: int = 0  # position ids are [axes, rows, tokens] where a decoder wants several
    mask_dtype: Callable[[Tensor], torch.dtype] = lambda embeds: embeds.dtype  # the type attention will run in

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    def forward(self, ids_RT: Tensor, allowed_RTL: Tensor, positions_RT: Tensor, cache: RoomyCache) -> Tensor:
        """Hidden states [R, T, D]; `cache` grows by these tokens. Query t may see key l where `allowed_RTL`."""
        embeds = self.embedding(ids_RT)
        dtype = self.mask_dtype(embeds)
        mask = torch.zeros(allowed_RTL.shape, dtype=dtype, device=self.device)
        mask = mask.masked_fill(~allowed_RTL, torch.finfo(dtype).min)[:, None]
        if self.position_axes:
            positions_RT = positions_RT.expand(self.position_axes, *positions_RT.shape)
        output = self.decoder(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions_RT, past_key_values=cache, use_cache=True
        )
        return output.last_hidden_state

    def logits(self, hidden_SD: Tensor) -> Tensor:
        return self.lm_head(hidden_SD).float().to(self.device)
