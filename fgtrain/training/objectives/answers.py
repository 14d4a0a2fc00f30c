"""Objective `answers`: cross entropy of the answers' tokens, each weighing what `loss_weighting` says."""

import torch

from fgtrain.batch import Batch
from fgtrain.data.lookahead import label_weight
from fgtrain.model.seen import Seen

from .part import LossPart, Summed


class Answers(LossPart):
    """The mean over the step's labels, by their weights (nats)."""

    name = "answers"

    def total(self, batch: Batch) -> float:
        (weight,) = label_weight(batch)
        return weight

    def of(self, seen: Seen) -> Summed:
        weights_S = seen.weights_S.to(seen.losses_S.dtype)
        weighted_S = seen.losses_S * weights_S
        return Summed(weighted_S.sum(), (per_sample_N(seen, weighted_S.detach()), per_sample_N(seen, weights_S)))


def per_sample_N(seen: Seen, values_S: torch.Tensor) -> torch.Tensor:
    """fp64, on the CPU: the values' sum over each sample, in the order of `Batch.samples`."""
    sums_N = torch.zeros(len(seen.batch.samples), dtype=torch.float64)
    return sums_N.index_add_(0, seen.sample_S.cpu(), values_S.double().cpu())
