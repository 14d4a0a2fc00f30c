"""Keeps a stage near a checkpoint: KL(reference || now) over the whole vocabulary, at the positions that it learns at.

Distillation from an earlier model on the stage's own rows, as in learning without forgetting (arXiv 1606.09282). Where
the reference is what the stage starts from, only the parameters that the stage changes are held a second time; under
LoRA, which changes none of the model's own, nothing is.
"""

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.model import LVLM
from fgtrain.model.last_layer import last_layer_only_at
from fgtrain.model.seen import Seen
from fgtrain.model.trainable import choose
from fgtrain.recipe.model_schema import TrainPart

from .part import LossPart, Summed

EYES = {"vision_encoder", "projector"}


class Keep(LossPart):
    """The mean KL in nats, by the labels' weights, over the rows of some data sets."""

    name = "keep"

    def __init__(self, reference: LVLM, on: Collection[str] | None = None, same_eyes: bool = False) -> None:
        """`on`: data sets, default all; `same_eyes`: the reference's image tokens are those of the model that
        learns, and need not be made again."""
        self.reference, self.same_eyes = reference.eval(), same_eyes
        self.on = None if on is None else frozenset(on)

    def total(self, batch: Batch) -> float:
        return batch.weights_BT[self._kept_BT(batch)].sum(dtype=torch.float64).item()

    def of(self, seen: Seen) -> Summed:
        kept_S = self._kept_BT(seen.batch).flatten()[seen.places_S]
        if not kept_S.any():
            return Summed(0.0 * seen.hidden_SD.float().sum())
        chosen = replace(seen, places_S=seen.places_S[kept_S], hidden_SD=seen.hidden_SD[kept_S])

        def divergence(logits_SV: Tensor, targets_S: Tensor, reference_SD: Tensor) -> Tensor:
            with torch.no_grad():
                reference_SV = self.reference.lm_head(reference_SD).float()
            return Divergence.apply(logits_SV, reference_SV)

        losses_S = chosen.of_logits(divergence, self._reference_SD(chosen))
        return Summed((losses_S * chosen.weights_S.to(losses_S.dtype)).sum())

    @torch.no_grad()
    def _reference_SD(self, seen: Seen) -> Tensor:
        """The reference's last hidden states at the same positions."""
        model, batch, places_S = self.reference, seen.batch, seen.places_S
        if not self.same_eyes or seen.image_tokens_D is None:
            return model.learn_from(replace(batch, targets_BT=_only(batch.targets_BT, places_S)), _hidden)
        embeds_BTD = model.hf.get_input_embeddings()(batch.token_ids_BT)
        embeds_BTD = model.with_images(embeds_BTD, batch.is_image_BT, seen.image_tokens_D)
        with last_layer_only_at(model.decoder, places_S):
            return model.hidden_BTD(embeds_BTD, batch).flatten(0, 1).index_select(0, places_S)

    def _kept_BT(self, batch: Batch) -> Tensor:
        """Boolean: is it a position of a row that is kept?"""
        numbers_BT = batch.sample_id_BT
        if self.on is None:
            return numbers_BT > 0
        # Samples are numbered from 1 within a row; padding is 0.
        per_row_B = numbers_BT.max(dim=1).values
        offset_B = torch.cumsum(per_row_B, 0) - per_row_B
        kept_N = torch.tensor([False, *(name in self.on for name in batch.data_sets)], device=numbers_BT.device)
        return kept_N[torch.where(numbers_BT > 0, numbers_BT + offset_B[:, None], 0)]


class Divergence(torch.autograd.Function):
    """KL(reference || now) of each row of logits; the reference gets no gradient.

    By hand, because the gradient, the difference of the two distributions, must be 0 where they are the same: what
    autograd makes of it is as far from 0 as probabilities are from 1 in sum.
    """

    @staticmethod
    def forward(context: Any, now_SV: Tensor, reference_SV: Tensor) -> Tensor:
        log_now_SV, log_reference_SV = now_SV.log_softmax(dim=-1), reference_SV.log_softmax(dim=-1)
        reference_SV = log_reference_SV.exp()
        context.save_for_backward(log_now_SV.exp() - reference_SV)
        return (reference_SV * (log_reference_SV - log_now_SV)).sum(dim=-1)

    @staticmethod
    def backward(context: Any, gradient_S: Tensor) -> tuple[Tensor, None]:
        (difference_SV,) = context.saved_tensors
        return gradient_S[:, None] * difference_SV, None


def frozen_start(lvlm: LVLM, train: Mapping[str, TrainPart]) -> LVLM:
    """The model as it is before `set_trainable(lvlm, train)`: with copies of the parameters that will be changed, and
    the others, which both share. UserError as there."""
    changed = set()
    for part, choice in choose(lvlm, train).items():
        adapted = [f"{name}.weight" for name in choice.adapted] if not train[part].leaves_weights else []
        changed |= {id(lvlm.parts[part].get_parameter(name)) for name in (*choice.parameters, *adapted)}
    shared = {id(value): value for value in lvlm.parameters() if id(value) not in changed}
    return copy.deepcopy(lvlm, {**shared, id(lvlm.tokenizer): lvlm.tokenizer})


def _only(targets_BT: Tensor, places_S: Tensor) -> Tensor:
    kept = torch.zeros_like(targets_BT, dtype=torch.bool).flatten().index_fill_(0, places_S, True)
    return targets_BT.masked_fill(~kept.view_as(targets_BT), IGNORE_INDEX)


def _hidden(seen: Seen) -> Tensor:
    return seen.hidden_SD
