"""Addition `patch_align`: behind the projector, patches of a picture are as alike as they are in the vision encoder.

Visual tokens lose detail while they are fitted to text, and holding them to a vision encoder's features keeps it (arXiv
2509.07979, with a trained head). Here likeness is held instead of the features themselves, as in relational
distillation (arXiv 1904.05068): no head, nothing that is thrown away afterwards.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.errors import UserError
from fgtrain.model import LVLM
from fgtrain.model.seen import Seen

from .part import LossPart, Summed


def refuse_other_tokens(lvlm: LVLM, key: str) -> None:
    """UserError where the model's image tokens are not one for each of the encoder's features."""
    device = lvlm.device
    if device.type == "meta":  # a rank without weights; the first one looks
        return
    with torch.no_grad():
        features_NPF = lvlm.encode_images(*lvlm.blank())
        tokens_NPD = lvlm.project(features_NPF) if lvlm.family.feature_size is not None else None
    if tokens_NPD is None or tokens_NPD.shape[:2] != features_NPF.shape[:2] or lvlm.family.arrange is not None:
        raise UserError(f"{key}: this model's projector does not give one image token a feature. Write supcon instead")


class PatchAlign(LossPart):
    """The mean over pictures (tiles) of the mean squared difference between the cosines of all pairs of patches, each
    less the picture's mean, behind the projector and in the encoder.
    """

    name = "patch_align"

    def total(self, batch: Batch) -> float:
        shown = batch.pixels_NCHW if batch.features_NPF is None else batch.features_NPF
        return 0.0 if shown is None else float(len(shown))

    def of(self, seen: Seen) -> Summed:
        features_NPF = seen.features_NPF
        if features_NPF is None:
            return Summed(0.0 * seen.hidden_SD.float().sum())
        tokens_NPD = seen.image_tokens_D.float().view(*features_NPF.shape[:2], -1)
        with torch.autocast(tokens_NPD.device.type, enabled=False):
            difference_NPP = _alike_NPP(tokens_NPD) - _alike_NPP(features_NPF.detach().float())
        return Summed(difference_NPP.square().mean(dim=(1, 2)).sum())


def _alike_NPP(vectors_NPX: Tensor) -> Tensor:
    units_NPX = F.normalize(vectors_NPX - vectors_NPX.mean(dim=1, keepdim=True), dim=2)
    return units_NPX @ units_NPX.transpose(1, 2)
