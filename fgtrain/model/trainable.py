"""What learns: parts by name, with their learning rates; everything else is frozen and in eval mode."""

from collections.abc import Mapping

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from data_builders.chance import address_hash
from fgtrain.errors import UserError
from fgtrain.recipe.schema import Lora, TrainPart

from .families import PARTS
from .lvlm import LVLM


def set_trainable(lvlm: LVLM, train: Mapping[str, TrainPart], *, seed: int = 0) -> list[dict]:
    """Make the parts of `train` learn and freeze the rest; `[{"params": [...], "lr": float, "part": str}]`.

    Adapters of an earlier stage are folded in first. A part's parameters that the chosen vision layer does not use
    stay frozen: they would get no gradient, which distributed training refuses. Fresh adapters are a function of
    (seed, part). Raises UserError for an unknown part, or LoRA targets that match nothing.
    """
    merge_adapters(lvlm)
    for part in train:
        if part not in lvlm.parts:
            raise UserError(f"train names the part {part!r}. Known are: {', '.join(lvlm.parts)}")
    lvlm.requires_grad_(False)
    lvlm.learning = set(train)
    groups = []
    for part in PARTS:
        if part not in train:
            continue
        how = train[part]
        if how.lora is not None:
            add_adapters(lvlm, part, how.lora, seed)
        else:
            lvlm.parts[part].requires_grad_(True)
        if part == "vision_encoder":
            freeze_unused(lvlm)
        learns = [parameter for _, parameter in lvlm.part_parameters(part) if parameter.requires_grad]
        groups.append({"params": learns, "lr": how.lr, "part": part})
    lvlm.train(lvlm.training)
    return groups


def freeze_unused(lvlm: LVLM) -> None:
    """Freeze what has no influence on the image tokens (later layers, pooling heads): found by differentiating once."""
    learns = [p for p in lvlm.parts["vision_encoder"].parameters() if p.requires_grad]
    was_training = lvlm.training
    lvlm.eval()
    with torch.enable_grad():
        features_NPF = lvlm.encode_images(*lvlm.blank())
        gradients = torch.autograd.grad(features_NPF.sum(), learns, allow_unused=True)
    for parameter, gradient in zip(learns, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)
    lvlm.train(was_training)


def add_adapters(lvlm: LVLM, part: str, lora: Lora, seed: int) -> None:
    """Put low-rank adapters on a part's linear layers, in place. Without targets on all of them but `lm_head`."""
    module = lvlm.parts[part]
    linear = [
        name for name, m in module.named_modules() if isinstance(m, nn.Linear) and m is not lvlm.lm_head and name != ""
    ]
    if lora.targets is None:
        chosen = linear
    else:
        chosen = [name for name in linear if any(name == t or name.endswith("." + t) for t in lora.targets)]
        for target in lora.targets:
            if not any(name == target or name.endswith("." + target) for name in linear):
                known = sorted({name.rsplit(".", 1)[-1] for name in linear})
                raise UserError(
                    f"train.{part}.lora.targets names {target!r}, but no linear layer of {part} is called so. "
                    f"Known are: {', '.join(known)}"
                )
    if not chosen:
        raise UserError(f"train.{part}.lora: {part} has no linear layers to adapt. Train it without lora")
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=chosen, bias="none"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(address_hash(seed, part, "lora") % 2**63)
        peft.inject_adapter_in_model(config, module)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_("lora_" in name)


def adapters(module: nn.Module) -> list[tuple[str, BaseTunerLayer]]:
    """All adapted layers inside a module, by name."""
    return [(name, m) for name, m in module.named_modules() if isinstance(m, BaseTunerLayer)]


@torch.no_grad()
def merge_adapters(lvlm: LVLM) -> None:
    """Fold all adapters into the weights they stand on; afterwards the model has its original layers again."""
    for name, layer in adapters(lvlm.hf):
        layer.merge(safe_merge=True)
        parent_name, _, child = name.rpartition(".")
        base = layer.get_base_layer()
        base.requires_grad_(False)
        setattr(lvlm.hf.get_submodule(parent_name), child, base)
    for part in PARTS:  # what peft notes on a module it has adapted
        for module in lvlm.parts[part].modules():
            for note in ("peft_config", "_hf_peft_config_loaded"):
                if note in vars(module):
                    delattr(module, note)
