"""Which token comes next: the likeliest, or one that is drawn."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .language import Sampling


def next_tokens(logits_SV: Tensor, sampling_S: Sequence[Sampling | None], place: int) -> Tensor:
    """int64 [S]: of each question the next token of its answer, which has `place` tokens so far.

    A drawn one is where the summed probabilities, in the order of the vocabulary, pass the answer's number for this
    place: one number a token, and none that hangs on what else is drawn.
    """
    token_S = logits_SV.argmax(-1)
    if drawn := [s for s, one in enumerate(sampling_S) if one is not None]:
        token_S[drawn] = _drawn(logits_SV[drawn], [sampling_S[s] for s in drawn], place)
    return token_S


def _drawn(logits_SV: Tensor, sampling_S: Sequence[Sampling], place: int) -> Tensor:
    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits_SV.device)[:, None]

    warm_SV = logits_SV.double() / column([one.temperature for one in sampling_S])
    summed_SV = warm_SV.softmax(-1).cumsum(-1)
    # Of what the sum really comes to, and behind it: a token of probability 0 is never drawn.
    wanted_S1 = column([one.uniforms[place] for one in sampling_S]) * summed_SV[:, -1:]
    return torch.searchsorted(summed_SV, wanted_S1, right=True)[:, 0].clamp(max=logits_SV.shape[-1] - 1)
