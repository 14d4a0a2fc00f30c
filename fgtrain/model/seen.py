"""What one pass of an LVLM over a batch gave: that of which losses are made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from fgtrain.batch import Batch
from fgtrain.counts import LOGITS_AT_ONCE

if TYPE_CHECKING:
    from .lvlm import LVLM


@dataclass(eq=False)
class Seen:
    """Valid within `LVLM.learn_from` only. All that ends in _S stands at the supervised positions, rows in order."""

    lvlm: "LVLM"
    batch: Batch
    places_S: Tensor  # of B x T
    hidden_SD: Tensor  # last hidden states
    image_tokens_D: Tensor | None  # [image tokens, D] as the projector gives them, in token order; None without image
    features_NPF: Tensor | None  # what they are made of: the vision encoder's, fp32

    @cached_property
    def targets_S(self) -> Tensor:
        return self.batch.targets_BT.flatten()[self.places_S]

    @cached_property
    def weights_S(self) -> Tensor:
        """fp32: what each label weighs."""
        return self.batch.weights_BT.flatten()[self.places_S]

    @cached_property
    def sample_S(self) -> Tensor:
        """Of which of the batch's samples, in the order of `Batch.samples`."""
        return self._sample_BT.flatten()[self.places_S]

    @property
    def image_sample(self) -> Tensor:
        """[image tokens]: of which of the batch's samples each of `image_tokens_D` is."""
        return self._sample_BT[self.batch.is_image_BT]

    @cached_property
    def _sample_BT(self) -> Tensor:
        # Samples are numbered from 1 within a row; their place in the batch is their row's offset plus that number.
        per_row_B = self.batch.sample_id_BT.max(dim=1).values
        offset_B = torch.cumsum(per_row_B, 0) - per_row_B
        return self.batch.sample_id_BT + offset_B[:, None] - 1

    @cached_property
    def branch_S(self) -> Tensor:
        """Of which of its sample's branches, from 1; 0 where the prefix predicts the first token of a single branch."""
        return self.batch.branch_id_BT.flatten()[self.places_S]

    @cached_property
    def losses_S(self) -> Tensor:
        """Cross entropy, natural log, fp32."""
        return self.of_logits(lambda logits_SV, targets_S: F.cross_entropy(logits_SV, targets_S, reduction="none"))

    def of_logits(self, function: Callable[..., Tensor], *beside: Tensor) -> Tensor:
        """`function(logits_SV in fp32, targets_S, *beside)`, whose result has one row a position, for all positions.

        A vocabulary of 100,000 times thousands of positions would not fit: then `function` is given some positions
        after others, and logits are made anew in the backward pass. `beside`: tensors with one row a position.
        """

        def piece(hidden_SD: Tensor, *others: Tensor) -> Tensor:
            return function(self.lvlm.lm_head(hidden_SD).float(), *others)

        chunk = max(1, LOGITS_AT_ONCE // self.lvlm.lm_head.out_features)
        count = self.lvlm.most_of_ranks(max(1, -(-len(self.targets_S) // chunk)))
        if count == 1:
            return piece(self.hidden_SD, self.targets_S, *beside)
        pieces = zip(*(one.tensor_split(count) for one in (self.hidden_SD, self.targets_S, *beside)), strict=True)
        return torch.cat([checkpoint(piece, *some, use_reentrant=False) for some in pieces])
