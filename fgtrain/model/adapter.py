"""What a LoRA stage has learnt by itself, beside the merged checkpoint: peft opens it on the model before the stage."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from data_builders.shared.temporary_files import open_to_others
from fgtrain.checksums import ADAPTER, write_checksums

from .adapter_layers import NAME, adapters, of_adapter
from .lvlm import LVLM

if TYPE_CHECKING:
    from peft import PeftConfig

FILE = "adapter_model.safetensors"
MOST = 0.25  # of the model's parameters, that may stand in an adapter as they are


@dataclass(frozen=True)
class Base:
    """The model that a stage began with: where it is (a hub id or a folder), and its `weights_hash`."""

    name: str
    weights_hash: str


@dataclass(frozen=True)
class Adapter:
    """As peft keeps one. `config`: of peft; `tensors`: under peft's names, on the CPU."""

    config: "PeftConfig"
    tensors: dict[str, Tensor]


def fully_trained(lvlm: LVLM) -> list[str]:
    """Names of the parameters that learn and are no adapters'. Called before training, which may wrap them."""
    return [name for name, p in lvlm.hf.named_parameters() if p.requires_grad and not of_adapter(name)]


def read_adapter(lvlm: LVLM, base: Base, full: Iterable[str]) -> Adapter | str:
    """The adapters in place, with the modules that learnt as a whole (`full`); or why peft has no form for them."""
    from peft import LoraConfig, OSFConfig

    full = list(full)
    total = sum(p.numel() for name, p in lvlm.hf.named_parameters() if not of_adapter(name))
    share = sum(lvlm.hf.get_parameter(name).numel() for name in full) / total
    if share > MOST:
        return f"{share:.0%} of the model learnt as a whole, so that it would be the checkpoint once more"
    whole = sorted({name.rpartition(".")[0] for name in full})
    for name in whole:
        if any(True for _ in lvlm.hf.get_submodule(name).children()):
            return f"parameters of {name or 'the model'} learnt, which are in no module of their own"
    layers = dict(adapters(lvlm.hf))
    low_rank = [hasattr(layer, "lora_A") for layer in layers.values()]
    if any(low_rank) and not all(low_rank):
        return "parts learnt by lora and by osf, and peft keeps adapters of one kind together"
    tensors, options = (_low_rank if all(low_rank) else _subspace)(layers)
    share += sum(value.numel() for value in tensors.values()) / total if not all(low_rank) else 0
    if share > MOST:
        return f"its adapters hold {share:.0%} as many numbers as the model: it would be the checkpoint once more"
    for name in whole:
        tensors |= {f"{name}.{key}": value for key, value in lvlm.hf.get_submodule(name).state_dict().items()}
    config = (LoraConfig if all(low_rank) else OSFConfig)(
        base_model_name_or_path=base.name,
        target_modules=list(layers),
        modules_to_save=whole or None,
        inference_mode=True,
        **options,
    )
    config.auto_mapping = {
        "base_model_class": type(lvlm.hf).__name__,
        "parent_library": type(lvlm.hf).__module__,
        "base_model_weights_hash": base.weights_hash,
    }
    kept = {f"base_model.model.{name}": value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return Adapter(config, kept)


Kept = tuple[dict[str, Tensor], dict[str, Any]]  # tensors, and what the config says of them


def _low_rank(layers: dict[str, Any]) -> Kept:
    """Adapters that began with a piece of the weight say how far they are from it, on the whole weight: B A - B0 A0 has
    twice the rank."""
    tensors, ranks, alphas = {}, {}, {}
    for name, layer in layers.items():
        ranks[name], alphas[name] = layer.r[NAME], layer.lora_alpha[NAME]
        a_RI, b_OR = layer.lora_A[NAME].weight.detach(), layer.lora_B[NAME].weight.detach()
        if hasattr(layer, "start") and layer.start[0].any():
            first_RI, first_OR = (tensor.to(a_RI) for tensor in layer.start)
            a_RI, b_OR = torch.cat([a_RI, -first_RI]), torch.cat([b_OR, first_OR], dim=1)
            ranks[name], alphas[name] = 2 * ranks[name], 2 * alphas[name]
        tensors |= {f"{name}.lora_A.weight": a_RI, f"{name}.lora_B.weight": b_OR}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    patterns = {"rank_pattern": _others(ranks, rank), "alpha_pattern": _others(alphas, alpha)}
    return tensors, {"r": rank, "lora_alpha": alpha, "bias": "none", **patterns}


def _subspace(layers: dict[str, Any]) -> Kept:
    """peft takes the weight apart again where it opens them; what has changed does not hang on vectors' signs."""
    tensors = {
        f"{name}.osf_svd_params.{kind}": value
        for name, layer in layers.items()
        for kind, value in layer.osf_svd_params[NAME].items()
    }
    kept = {name: layer.effective_rank[NAME] for name, layer in layers.items()}
    first = next(iter(kept.values()))
    return tensors, {"effective_rank": first, "rank_pattern": _others(kept, first)}


def _others(values: dict[str, Any], usual: Any) -> dict[str, Any]:
    return {name.replace(".", r"\."): value for name, value in values.items() if value != usual}


def write_adapter(adapter: Adapter, checkpoint: Path) -> None:
    """Into a folder of its own within a checkpoint that is being written."""
    folder = checkpoint / ADAPTER
    folder.mkdir()
    adapter.config.save_pretrained(folder)
    save_file(adapter.tensors, folder / FILE, metadata={"format": "pt"})
    open_to_others(folder)
    write_checksums(folder)
