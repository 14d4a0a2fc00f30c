"""What a LoRA stage has learnt by itself, beside the merged checkpoint: peft opens it on the model before the stage."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import Tensor

from data_builders.shared.temporary_files import open_to_others
from fgtrain.checksums import ADAPTER, write_checksums

from .lvlm import LVLM
from .trainable import adapters

if TYPE_CHECKING:
    from peft import LoraConfig

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

    config: "LoraConfig"
    tensors: dict[str, Tensor]


def fully_trained(lvlm: LVLM) -> list[str]:
    """Names of the parameters that learn and are no adapters'. Called before training, which may wrap them."""
    return [name for name, p in lvlm.hf.named_parameters() if p.requires_grad and "lora_" not in name]


def read_adapter(lvlm: LVLM, base: Base, full: Iterable[str]) -> Adapter | str:
    """The adapters in place, with the modules that learnt as a whole (`full`); or why peft has no form for them."""
    from peft import LoraConfig

    full = list(full)
    share = sum(lvlm.hf.get_parameter(name).numel() for name in full) / sum(p.numel() for p in lvlm.hf.parameters())
    if share > MOST:
        return f"{share:.0%} of the model learnt as a whole, so that it would be the checkpoint once more"
    whole = sorted({name.rpartition(".")[0] for name in full})
    for name in whole:
        if any(True for _ in lvlm.hf.get_submodule(name).children()):
            return f"parameters of {name or 'the model'} learnt, which are in no module of their own"
    tensors: dict[str, Tensor] = {}
    ranks, alphas = {}, {}
    for name, layer in adapters(lvlm.hf):
        ranks[name], alphas[name] = layer.r["default"], layer.lora_alpha["default"]
        for kind in ("lora_A", "lora_B"):
            tensors[f"{name}.{kind}.weight"] = getattr(layer, kind)["default"].weight
    for name in whole:
        tensors |= {f"{name}.{key}": value for key, value in lvlm.hf.get_submodule(name).state_dict().items()}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    config = LoraConfig(
        base_model_name_or_path=base.name,
        r=rank,
        lora_alpha=alpha,
        rank_pattern=_others(ranks, rank),
        alpha_pattern=_others(alphas, alpha),
        target_modules=list(ranks),
        modules_to_save=whole or None,
        bias="none",
        inference_mode=True,
    )
    config.auto_mapping = {
        "base_model_class": type(lvlm.hf).__name__,
        "parent_library": type(lvlm.hf).__module__,
        "base_model_weights_hash": base.weights_hash,
    }
    kept = {f"base_model.model.{name}": value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return Adapter(config, kept)


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
