"""What learns: parts by name, with their learning rates; everything else is frozen and in eval mode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from fgtrain.errors import UserError
from fgtrain.recipe.model_schema import DECOMPOSED, Lora, Osf, TrainPart

from .adapter_layers import merge_adapters
from .adapter_starts import add_adapters
from .families import PARTS
from .lvlm import LVLM
from .trainable_weights import narrowed


@dataclass(frozen=True)
class Choice:
    """What of a part learns: its own parameters, or adapters on its linear layers. Names are those inside the part."""

    parameters: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    count: int = 0  # parameters that learn, those of the adapters included
    added: int = 0  # numbers that adapters hold beside the part's own, whether they learn or not


def set_trainable(
    lvlm: LVLM,
    train: Mapping[str, TrainPart],
    *,
    seed: int = 0,
    place: str = "train",
    known: Mapping[str, Tensor] | None = None,
    look: Mapping[str, Callable[[], None]] | None = None,
) -> list[dict]:
    """Make the parts of `train` learn and freeze the rest; `[{"params": [...], "lr": float, "part": str}]`.

    Adapters of an earlier stage are folded in first. A part's parameters that the chosen vision layer does not use
    stay frozen: they would get no gradient, which distributed training refuses. Fresh adapters are a function of
    (seed, part, layer), or begin with what is `known` (see adapter_starts); `look`: part -> what runs the model over
    the rows that its lora.init_on names. Raises UserError, beginning with `place`, for an unknown part, for a narrowing
    or targets that match nothing, and for adapters that do not fit a layer.
    """
    merge_adapters(lvlm)
    lvlm.requires_grad_(False)
    groups = []
    for part, choice in choose(lvlm, train, place).items():
        module, how = lvlm.parts[part], train[part]
        if how.adapter is not None:
            add_adapters(module, part, choice.adapted, how.adapter, seed, known, (look or {}).get(part))
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
    if how.adapter is None:
        return Choice(parameters=tuple(names), count=sum(module.get_parameter(name).numel() for name in names))
    kind = "lora" if how.lora is not None else "osf"
    weights = {name.removesuffix(".weight") for name in names if name.endswith(".weight")}
    linear = [
        name
        for name, m in module.named_modules()
        if isinstance(m, nn.Linear | Conv1D) and m is not head and name in weights
    ]
    if not linear:
        raise UserError(f"{place}.{kind}: {part} has no linear layers to adapt. Train it without {kind}")
    adapted = matching(linear, how.adapter, part, f"{place}.{kind}")
    layers = {name: module.get_submodule(name) for name in adapted}
    refuse_unfit(layers, how.adapter, f"{place}.{kind}")
    count, added = (sum(column) for column in zip(*(sizes(m, how.adapter) for m in layers.values()), strict=True))
    return Choice(adapted=tuple(adapted), count=count, added=added)


def sizes(layer: nn.Module, how: Lora | Osf) -> tuple[int, int]:
    """Of one layer's adapter (parameters that learn, numbers that it holds in all)."""
    outputs, inputs = layer.weight.shape
    if isinstance(how, Lora):  # [rank, inputs] and [outputs, rank]
        whole = how.rank * (inputs + outputs)
        return (how.rank * inputs if how.init == "mica" else whole), whole
    kept = kept_directions(layer, how)
    learns = (min(outputs, inputs) - kept) * (outputs + inputs + 1)
    # Beside these what they began as, and of the longer side the directions that stay.
    return learns, 2 * learns + (kept * max(outputs, inputs) if outputs != inputs else 0)


def kept_directions(layer: nn.Module, osf: Osf) -> int:
    """As peft rounds."""
    return int(min(layer.weight.shape) * osf.keep)


def refuse_unfit(layers: Mapping[str, nn.Module], how: Lora | Osf, place: str) -> None:
    """UserError for a layer that peft has no such adapter for."""
    plain = isinstance(how, Lora) and how.init is None and how.intruders is None
    for name, layer in layers.items():
        smallest = min(layer.weight.shape)
        if not plain and isinstance(layer, Conv1D):
            raise UserError(f"{place}: {name} is a Conv1D, which takes plain lora alone. Write lora: {{rank: 16}}")
        if isinstance(how, Osf) and kept_directions(layer, how) < 1:
            raise UserError(
                f"{place}.keep is {how.keep:g}, of {name}'s {smallest} singular directions less than one. "
                f"Write {1 / smallest:.2g} or more, or name other layers: targets"
            )
        if isinstance(how, Lora) and how.init in DECOMPOSED and how.rank > smallest:
            raise UserError(
                f"{place}.rank is {how.rank}, but {name} has {smallest} singular directions for init: {how.init}. "
                f"Write {smallest} or less"
            )


def matching(linear: list[str], how: Lora | Osf, part: str, place: str) -> list[str]:
    """The linear layers that an adapter's targets name, all without targets. UserError for a target that names none."""

    def named(name: str, target: str) -> bool:
        return name == target or name.endswith("." + target)

    if how.targets is None:
        return linear
    for target in how.targets:
        if not any(named(name, target) for name in linear):
            known = sorted({name.rsplit(".", 1)[-1] for name in linear})
            raise UserError(
                f"{place}.targets names {target!r}, but no linear layer of {part} that is to learn is called so. "
                f"Known are: {', '.join(known)}"
            )
    return [name for name in linear if any(named(name, target) for target in how.targets)]


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
