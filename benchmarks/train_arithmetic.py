"""How much arithmetic a training loop does, how much there is to do, and how fast this core multiplies matrices."""

import time
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fgtrain.counts import Counts
from fgtrain.model import LVLM
from fgtrain.model.shape import model_shape
from fgtrain.plan.cost import training_work

SIZE = 1024  # of the matrices that are multiplied: beyond a core's caches, as a model's are
LEARNING = {"projector": 1.0, "language_model": 1.0}


def needed_flops(lvlm: LVLM, counts: Counts) -> float:
    """What the mathematics asks for: each picture encoded once, each token and each pair that sees each other once, the
    vocabulary and what comes behind the last attention only where an answer is learnt; backward twice that, where
    something learns. The encoder is frozen.
    """
    work = training_work(model_shape(lvlm), LEARNING, encoder_runs=True)
    last = lvlm.decoder.layers[-1]
    unread = 6 * sum(p.numel() for part in (last.self_attn.o_proj, last.mlp) for p in part.parameters())
    everything = work.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
    return everything - unread * (counts.tokens - counts.labels)


def matrix_rate() -> float:
    """FLOP/s of this core in one product of matrices in fp32, by CPU time: the fastest of several."""
    a, b = torch.randn(2, SIZE, SIZE)
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        torch.mm(a, b)
        seconds.append(time.process_time() - begin)
    return 2 * SIZE**3 / min(seconds)


class Seen:
    """What the batches of a stage hold, added up as they are learnt from."""

    def __init__(self, lvlm: LVLM) -> None:
        self.counts, self.learn = Counts(), lvlm.token_losses_S
        lvlm.token_losses_S = self

    def __call__(self, batch: Any) -> Tensor:
        self.counts += batch.counts
        return self.learn(batch)


def _attention(query: Any, key: Any, value: Any, *rest: Any, is_causal: bool = False, **others: Any) -> int:
    """Two products over all pairs; a causal kernel leaves half of them out."""
    (B, heads, Q, d), K = query, key[-2]
    causal = is_causal or (len(rest) > 1 and rest[1] is True)
    return 4 * B * heads * d * (Q * (Q + 1) // 2 if causal and Q == K else Q * K)


def _attention_backward(
    gradient: Any, query: Any, key: Any, value: Any, out: Any, lse: Any, dropout: float, causal: bool, **others: Any
) -> int:
    """Five products where the forward pass has two."""
    return _attention(query, key, value, dropout, causal) * 5 // 2


# torch counts the attention of GPUs, not that of CPUs.
ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


@contextmanager
def counted(figures: dict):
    """Enter what was computed inside as `flops`: products of matrices, convolutions, attention."""
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        yield
    figures["flops"] = counter.get_total_flops()
