"""The projector: from one image token's vision features to the language model's embedding space.

Its weights are the only ones a composed model has to draw; they are a function of (seed, "projector") alone.
"""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data_builders.shared.seeding import address_hash
from fgtrain.errors import UserError

PATTERN = re.compile(
    r"(?P<norm>norm_)?(?P<linear>linear)|(?P<norm_mlp>norm_)?mlp(?P<mlp>[1-9]\d*)x_gelu"
    r"|(?P<shuffle>pixel_shuffle_)mlp(?P<shuffled>[1-9]\d*)x_gelu"
)
SHUFFLE = 2  # pixel shuffle puts 2 x 2 neighbouring positions into one


@dataclass(frozen=True)
class Kind:
    """What a projector's name says."""

    layers: int  # linear ones
    norm: bool  # a LayerNorm before them
    shuffle: bool  # image tokens are pixel-shuffled before they come here


def projector_kind(name: str) -> Kind:
    """`linear` is one linear layer; `mlp<N>x_gelu` is N of them with GELU between, as in LLaVA; `norm_` puts a
    LayerNorm before; `pixel_shuffle_mlp<N>x_gelu` reads 2 x 2 positions as one and has a LayerNorm, as in InternVL.
    Raises UserError for any other name.
    """
    match = PATTERN.fullmatch(name)
    if match is None:
        raise UserError(
            f"model.projector is {name!r}. Known are: linear, mlp<N>x_gelu, both with norm_ before, and "
            f"pixel_shuffle_mlp<N>x_gelu"
        )
    shuffle = match["shuffle"] is not None
    layers = 1 if match["linear"] else int(match["mlp"] or match["shuffled"])
    return Kind(layers, shuffle or bool(match["norm"] or match["norm_mlp"]), shuffle)


def build_projector(name: str, in_features: int, out_features: int, width: int | None = None) -> nn.Sequential:
    """A projector [..., in_features] -> [..., out_features], initialised as torch does; `width`: of the hidden layers
    (None = `out_features`).
    """
    kind = projector_kind(name)
    width = width or out_features
    layers: list[nn.Module] = [nn.LayerNorm(in_features)] if kind.norm else []
    sizes = [in_features, *[width] * (kind.layers - 1), out_features]
    for i in range(kind.layers):
        if i:
            layers.append(nn.GELU())
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    return nn.Sequential(*layers)


def pixel_shuffle(tokens_NPF: Tensor, block: int = SHUFFLE) -> Tensor:
    """[N, P / block^2, block^2 F]: each block of the square grid as one token, its rows one after the other."""
    side = math.isqrt(tokens_NPF.shape[1]) // block
    blocks = tokens_NPF.unflatten(1, (side, block, side, block))
    return blocks.transpose(2, 3).flatten(3).flatten(1, 2)


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
