"""The projector: from one image token's vision features to the language model's embedding space.

Its weights are the only ones a composed model has to draw; they are a function of (seed, "projector") alone.
"""

import math
import re

import torch
from torch import nn

from data_builders.chance import address_hash
from fgtrain.errors import UserError

PATTERN = re.compile(r"(?P<norm>norm_)?(?:linear|mlp(?P<layers>[1-9]\d*)x_gelu)")


def build_projector(kind: str, in_features: int, out_features: int, width: int | None = None) -> nn.Sequential:
    """A projector [..., in_features] -> [..., out_features], initialised as torch does.

    `linear` is one linear layer; `mlp<N>x_gelu` is N of them with GELU between, hidden size `width` (None =
    `out_features`), as in LLaVA; the prefix `norm_` puts a LayerNorm before. Raises UserError for any other name.
    """
    match = PATTERN.fullmatch(kind)
    if match is None:
        raise UserError(f"model.projector is {kind!r}. Known are: linear, mlp<N>x_gelu, and both with norm_ before")
    width = width or out_features
    layers: list[nn.Module] = [nn.LayerNorm(in_features)] if match["norm"] else []
    count = int(match["layers"] or 1)
    sizes = [in_features, *[width] * (count - 1), out_features]
    for i in range(count):
        if i:
            layers.append(nn.GELU())
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    return nn.Sequential(*layers)


@torch.no_grad()
def draw_projector(projector: nn.Module, seed: int) -> None:
    """Draw all linear layers' weights anew, uniform in +-1/sqrt(inputs) as torch does, from `seed` alone."""
    generator = torch.Generator().manual_seed(address_hash(seed, "projector") % 2**63)
    for module in projector.modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            module.weight.uniform_(-bound, bound, generator=generator)
            module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
