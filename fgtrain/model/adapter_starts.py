"""Puts peft's adapters on a model, and gives them what they begin with. At its start a stage's model is the one before.

Low-rank ones (`lora.init`):

    null        drawn A, B = 0 (LoRA, arXiv 2106.09685)
    orthogonal  A and B drawn in orthogonal subspaces, so that B A = 0 though neither is 0
    mica        B = the left singular vectors of the smallest singular values, which stay; only A learns, from 0
                (MiCA, arXiv 2604.01694)
    olora       the first columns and rows of W = Q R (OLoRA, arXiv 2406.01775)
    pissa       the largest singular directions of W (PiSSA, arXiv 2404.02948)
    corda       of W C the smallest singular directions, C the covariance of the layer's inputs over rows that stand for
                what is to be kept (CorDA's knowledge-preserved mode, arXiv 2406.05223)

The last three begin with a piece of W, which is taken out of it (`PIECES`). Drawn ones are drawn again at each start;
all others come from decompositions, whose signs and last bits another device, or another library, may choose otherwise.
They are kept beside the resume points (`starts`), so that a stage goes on upon the very piece that it began with.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from data_builders.shared.seeding import address_hash
from fgtrain.recipe.model_schema import DECOMPOSED, PIECES, Lora, Osf

from .adapter_layers import NAME, adapters, of_adapter
from .lvlm import LVLM

FACTORS = ("lora_A", "lora_B")


def add_adapters(
    module: nn.Module,
    part: str,
    names: Sequence[str],
    how: Lora | Osf,
    seed: int,
    known: Mapping[str, Tensor] | None = None,
    look: Callable[[], None] | None = None,
) -> None:
    """Put adapters on the linear layers `names` of a part, in place. Only they learn. At first the part gives what it
    gave without them.

    `known`: what `starts` returned of the same adapters earlier; `look`: runs the model over the rows of
    `lora.init_on`, whose activations are wanted where it is not known.
    """
    import peft  # takes seconds, which a plan and a stage without adapters need not spend

    exactly = "|".join(map(re.escape, names))  # peft would take a list as endings of names
    if isinstance(how, Osf):
        config = peft.OSFConfig(effective_rank=float(how.keep), target_modules=exactly)
    else:
        config = peft.LoraConfig(
            r=how.rank, lora_alpha=how.alpha, lora_dropout=how.dropout, target_modules=exactly, bias="none"
        )
    with torch.random.fork_rng(devices=[]):
        peft.inject_adapter_in_model(config, module)
        if isinstance(how, Lora):
            _begin(module, part, how, seed, known, look)
    fixed = ("lora_B",) if isinstance(how, Lora) and how.init == "mica" else ()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(of_adapter(name) and not any(f".{mark}." in name for mark in fixed))


def _begin(
    module: nn.Module,
    part: str,
    lora: Lora,
    seed: int,
    known: Mapping[str, Tensor] | None,
    look: Callable[[], None] | None,
) -> None:
    """Give fresh adapters of a part what they begin with; those on the meta device nothing. See `add_adapters`."""
    found = [(name, layer) for name, layer in adapters(module) if not layer.get_base_layer().weight.is_meta]
    if found and lora.init == "corda" and not known:
        _look_at_activations(module, [name for name, _ in found], lora, look)
    for name, layer in found:
        if lora.init in DECOMPOSED:
            _decomposed(layer, lora, [known[f"{part}.{name}.{kind}"] for kind in FACTORS] if known else None)
        else:
            _drawn(layer, lora, address_hash(seed, part, "lora", name) % 2**63)


def starts(lvlm: LVLM) -> dict[str, Tensor]:
    """part.layer.lora_A and lora_B -> what those adapters began with that are to be kept; on the CPU."""
    return {
        f"{part}.{name}.{kind}": tensor
        for part in sorted(lvlm.learning)
        for name, layer in adapters(lvlm.parts[part])
        if hasattr(layer, "start")
        for kind, tensor in zip(FACTORS, layer.start, strict=True)
    }


def _drawn(layer: Any, lora: Lora, address: int) -> None:
    """At an address of its own, whatever else is adapted."""
    device = layer.get_base_layer().weight.device
    for weights in (layer.lora_A, layer.lora_B):
        weights.cpu()  # a GPU would draw other numbers
    torch.manual_seed(address)
    if lora.init == "orthogonal":
        layer.orthogonal_init(NAME)
    else:
        layer.reset_lora_parameters(NAME, init_lora_weights=True)
    for weights in (layer.lora_A, layer.lora_B):
        weights.to(device)


@torch.no_grad()
def _decomposed(layer: Any, lora: Lora, known: list[Tensor] | None) -> None:
    """Its factors by decomposition, or as they are known; a piece of the weight is taken out of it."""
    base = layer.get_base_layer()
    weight = base.weight.data
    factors = [getattr(layer, kind)[NAME].weight for kind in FACTORS]
    if known is None:
        base.weight.data = weight.clone()  # peft changes it itself, in other bits than a start that knows the factors
        how: dict[str, Callable[[], None]] = {
            "mica": lambda: layer.mica_init(NAME),
            "olora": lambda: layer.olora_init(NAME),
            "pissa": lambda: layer.pissa_init(NAME, "pissa"),
            "corda": lambda: layer.corda_init(NAME, "corda"),
        }
        how[lora.init]()
        base.weight.data = weight
        known = [factor.detach().cpu().clone().contiguous() for factor in factors]
    for factor, values in zip(factors, known, strict=True):
        factor.data = values.to(weight.device, weight.dtype, copy=True)
    layer.start = tuple(known)
    if lora.init in PIECES:
        base.weight.data = weight - layer.get_delta_weight(NAME)


def _look_at_activations(module: nn.Module, names: list[str], lora: Lora, look: Callable[[], None] | None) -> None:
    """Leave on each base layer what CorDA makes of its inputs."""
    from peft import LoraConfig
    from peft.tuners.lora.config import CordaConfig
    from peft.tuners.lora.corda import preprocess_corda

    if look is None:
        raise RuntimeError("the model has not been shown the rows of lora.init_on")
    exactly = "|".join(re.escape(name) + r"\.base_layer" for name in names)
    config = LoraConfig(
        r=lora.rank,
        target_modules=exactly,
        init_lora_weights="corda",
        corda_config=CordaConfig(corda_method="kpm", verbose=False),
    )
    preprocess_corda(module, config, run_model=look)
