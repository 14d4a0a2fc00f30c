"""What learns: parts by name, with their learning rates; everything else is frozen and in eval mode."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from data_builders.shared.seeding import address_hash
from fgtrain.errors import UserError
from fgtrain.recipe.model_schema import Lora, TrainPart

from .families import PARTS
from .lvlm import LVLM
from .trainable_weights import narrowed

if TYPE_CHECKING:  # importing peft takes seconds, which a plan and a stage without adapters need not spend
    from peft.tuners.tuners_utils import BaseTunerLayer


@dataclass(frozen=True)
class Choice:
    """What of a part learns: its own parameters, or adapters on its linear layers. Names are those inside the part."""

    parameters: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    count: int = 0  # parameters that learn, those of the adapters included


def set_trainable(lvlm: LVLM, train: Mapping[str, TrainPart], *, seed: int = 0, place: str = "train") -> list[dict]:
    """Make the parts of `train` learn and freeze the rest; `[{"params": [...], "lr": float, "part": str}]`.

    Adapters of an earlier stage are folded in first. A part's parameters that the chosen vision layer does not use
    stay frozen: they would get no gradient, which distributed training refuses. Fresh adapters are a function of
    (seed, part, layer). Raises UserError, beginning with `place`, for an unknown part, and for a narrowing or LoRA
    targets that match nothing.
    """
    merge_adapters(lvlm)
    lvlm.requires_grad_(False)
    groups = []
    for part, choice in choose(lvlm, train, place).items():
        module, how = lvlm.parts[part], train[part]
        if how.lora is not None:
            add_adapters(module, part, choice.adapted, how.lora, seed)
        for name in choice.parameters:
            module.get_parameter(name).requires_grad_(True)
        learns = [parameter for _, parameter in lvlm.part_parameters(part) if parameter.requires_grad]
        groups.append({"params": learns, "lr": how.lr, "part": part})
    lvlm.learning = set(train)
    lvlm.train(lvlm.training)
    return groups


def choose(lvlm: LVLM, train: Mapping[str, TrainPart], place: str = "train") -> dict[str, Choice]:
    """Part -> what of it will learn, in the order of the parts. Needs no weights: the model may be on the meta device.

    Raises UserError as `set_trainable` does.
    """
    for part in train:
        if part not in lvlm.parts:
            raise UserError(f"{place} names the part {part!r}. Known are: {', '.join(lvlm.parts)}")
    return {
        part: choose_in(part, lvlm.parts[part], train[part], usable(lvlm, part), lvlm.lm_head, f"{place}.{part}")
        for part in PARTS
        if part in train
    }


def choose_in(
    part: str, module: nn.Module, how: TrainPart, names: list[str], head: nn.Module | None, place: str
) -> Choice:
    """The choice within one part, of which the parameters `names` can learn. Adapters never sit on `head`."""
    names = narrowed(part, module, names, how, place)
    if how.lora is None:
        return Choice(parameters=tuple(names), count=sum(module.get_parameter(name).numel() for name in names))
    weights = {name.removesuffix(".weight") for name in names if name.endswith(".weight")}
    linear = [
        name
        for name, m in module.named_modules()
        if isinstance(m, nn.Linear | Conv1D) and m is not head and name in weights
    ]
    if not linear:
        raise UserError(f"{place}.lora: {part} has no linear layers to adapt. Train it without lora")
    adapted = matching(linear, how.lora, part, place)
    # Two low-rank matrices a layer: [rank, inputs] and [outputs, rank].
    count = how.lora.rank * sum(sum(module.get_submodule(name).weight.shape) for name in adapted)
    return Choice(adapted=tuple(adapted), count=count)


def matching(linear: list[str], lora: Lora, part: str, place: str) -> list[str]:
    """The linear layers that LoRA's targets name, all without targets. UserError for a target that names none."""

    def named(name: str, target: str) -> bool:
        return name == target or name.endswith("." + target)

    if lora.targets is None:
        return linear
    for target in lora.targets:
        if not any(named(name, target) for name in linear):
            known = sorted({name.rsplit(".", 1)[-1] for name in linear})
            raise UserError(
                f"{place}.lora.targets names {target!r}, but no linear layer of {part} that is to learn is called so. "
                f"Known are: {', '.join(known)}"
            )
    return [name for name in linear if any(named(name, target) for target in lora.targets)]


def usable(lvlm: LVLM, part: str) -> list[str]:
    """Names of a part's parameters that can learn. Of an encoder those that have influence on the image tokens, which
    later layers and pooling heads have not: found by differentiating once."""
    module = lvlm.parts[part]
    parameters = dict(module.named_parameters())
    # An encoder that projects its outputs itself uses all that it has; some such cannot run without weights.
    if part != "vision_encoder" or (lvlm.device.type == "meta" and lvlm.family.feature_size is None):
        return list(parameters)
    was_training = lvlm.training
    required = {name: p.requires_grad for name, p in parameters.items()}
    lvlm.eval()
    module.requires_grad_(True)
    with torch.enable_grad():
        features_NPF = lvlm.encode_images(*lvlm.blank())
        gradients = torch.autograd.grad(features_NPF.sum(), list(parameters.values()), allow_unused=True)
    for name, parameter in parameters.items():
        parameter.requires_grad_(required[name])
    lvlm.train(was_training)
    return [name for name, gradient in zip(parameters, gradients, strict=True) if gradient is not None]


def add_adapters(module: nn.Module, part: str, names: Sequence[str], lora: Lora, seed: int) -> None:
    """Put low-rank adapters on the linear layers `names` of a part, in place. Only they learn."""
    import peft

    exactly = "|".join(map(re.escape, names))  # peft would take a list as endings of names
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=exactly, bias="none"
    )
    with torch.random.fork_rng(devices=[]):
        peft.inject_adapter_in_model(config, module)
        for name, layer in adapters(module):  # each at an address of its own, whatever else is adapted
            device = layer.get_base_layer().weight.device
            if device.type == "meta":
                continue
            for weights in (layer.lora_A, layer.lora_B):
                weights.cpu()  # a GPU would draw other numbers
            torch.manual_seed(address_hash(seed, part, "lora", name) % 2**63)
            layer.reset_lora_parameters("default", init_lora_weights=True)
            for weights in (layer.lora_A, layer.lora_B):
                weights.to(device)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_("lora_" in name)


def adapters(module: nn.Module) -> list[tuple[str, "BaseTunerLayer"]]:
    """All adapted layers inside a module, by name."""
    if "peft" not in sys.modules:
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, m) for name, m in module.named_modules() if isinstance(m, BaseTunerLayer)]


@torch.no_grad()
def merge_adapters(lvlm: LVLM) -> None:
    """Fold all adapters into the weights they stand on; afterwards the model has its original layers again."""
    for name, layer in adapters(lvlm.hf):
        base = layer.get_base_layer()
        if not base.weight.is_meta:
            layer.merge(safe_merge=True)
        parent_name, _, child = name.rpartition(".")
        base.requires_grad_(False)
        setattr(lvlm.hf.get_submodule(parent_name), child, base)
    for part in PARTS:  # what peft notes on a module it has adapted
        for module in lvlm.parts[part].modules():
            for note in ("peft_config", "_hf_peft_config_loaded"):
                if note in vars(module):
                    delattr(module, note)
