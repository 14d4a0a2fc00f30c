"""Objective `dpo`: of two answers to a question, the chosen one becomes likelier against the rejected one.

With l(y) the log-probability of an answer's tokens, r(y) the same under the model that the stage starts from, and
h = (l(chosen) - r(chosen)) - (l(rejected) - r(rejected)), the loss of a pair is

    sigmoid  -(1 - e) log sigmoid(b h) - e log sigmoid(-b h)
             DPO, arXiv 2305.18290, eq. 7; with e > 0, where labels are wrong that often, E. Mitchell's conservative DPO
             (A note on DPO with noisy preferences, 2023)
    ipo      (h - 1 / (2 b))^2
             IPO, arXiv 2310.12036, eq. 17; l and r are means over the answer's tokens here, as in trl
    hinge    max(0, 1 - b h)
             SLiC's, as arXiv 2309.06657 writes it

plus `sft_weight` times the chosen answer's cross entropy, a mean over its tokens (arXiv 2404.19733). An answer's end
counts as one of its tokens.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.model.seen import Seen
from fgtrain.recipe.objective_schema import Preference

from .part import LossPart, Summed
from .reference import Reference


class Dpo(LossPart):
    """The mean over the step's pairs. Shown beside it: the reward's margin b h, how often it is above 0, and both
    answers' log-probabilities."""

    name = "dpo"
    figures = ("margin", "accuracy", "chosen", "rejected")

    def __init__(self, chosen: Preference, reference: Reference) -> None:
        self.how, self.reference = chosen, reference

    def begin(self, trainer: Any, module: Any) -> None:
        self.reference.find(trainer, module)

    def total(self, batch: Batch) -> float:
        return float(batch.num_samples)

    def of(self, seen: Seen) -> Summed:
        now_N2, tokens_N2 = answers_N2(seen)
        before_N2 = self.reference.of(seen.batch).to(now_N2.device)
        if self.how.variant == "ipo":
            now_N2, before_N2 = now_N2 / tokens_N2, before_N2 / tokens_N2
        gain_N2 = now_N2 - before_N2
        ahead_N = gain_N2[:, 0] - gain_N2[:, 1]
        loss_N = VARIANTS[self.how.variant](ahead_N, self.how)
        if self.how.sft_weight:
            per_token_N = now_N2[:, 0] if self.how.variant == "ipo" else now_N2[:, 0] / tokens_N2[:, 0]
            loss_N = loss_N - self.how.sft_weight * per_token_N
        margin_N = self.how.beta * ahead_N.detach()
        sums = (margin_N.sum(), (margin_N > 0).double().sum(), *now_N2.detach().sum(dim=0))
        told_N = loss_N.detach().cpu()
        return Summed(loss_N.sum(), (told_N, torch.ones_like(told_N)), dict(zip(self.figures, sums, strict=True)))


def answers_N2(seen: Seen) -> tuple[Tensor, Tensor]:
    """(log-probability, tokens) of each pair's chosen and rejected answer, fp64, in the order of `Batch.samples`."""
    pairs = len(seen.batch.samples)
    branch_S = 2 * seen.sample_S + seen.branch_S - 1
    # A mask, not index_add_, which on a GPU adds up in no fixed order.
    of_answer_AS = branch_S == torch.arange(2 * pairs, device=branch_S.device)[:, None]
    sums_A = torch.where(of_answer_AS, seen.losses_S.double(), 0.0).sum(dim=1)
    return -sums_A.view(pairs, 2), of_answer_AS.sum(dim=1).double().view(pairs, 2)


def _sigmoid(ahead_N: Tensor, how: Preference) -> Tensor:
    wrong = how.label_smoothing
    return -(1 - wrong) * F.logsigmoid(how.beta * ahead_N) - wrong * F.logsigmoid(-how.beta * ahead_N)


def _ipo(ahead_N: Tensor, how: Preference) -> Tensor:
    return (ahead_N - 1 / (2 * how.beta)).square()


def _hinge(ahead_N: Tensor, how: Preference) -> Tensor:
    return torch.relu(1 - how.beta * ahead_N)


VARIANTS: dict[str, Callable[[Tensor, Preference], Tensor]] = {"sigmoid": _sigmoid, "ipo": _ipo, "hinge": _hinge}
