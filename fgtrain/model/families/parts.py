"""The parts of a model, found by module identity."""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from .family import Family


def find_parts(model: PreTrainedModel, family: Family) -> dict[str, nn.Module]:
    """Part -> its module, or a ModuleList of its modules. A part not found, or that overlaps another, is an error.

    Shared tensors (tied embeddings) stay inside the language model and count once.
    """
    parts: dict[str, nn.Module] = {}
    for part, paths in family.parts.items():
        modules = [submodule(model, path) for path in paths]
        parts[part] = modules[0] if len(modules) == 1 else nn.ModuleList(modules)
    owner: dict[int, str] = {}
    for part, module in parts.items():
        for parameter in module.parameters():
            if owner.setdefault(id(parameter), part) != part:
                raise RuntimeError(f"{part} and {owner[id(parameter)]} share parameters")
    stray = [name for name, parameter in model.named_parameters() if id(parameter) not in owner]
    if stray:
        raise RuntimeError(f"these parameters belong to no part: {', '.join(stray[:8])}")
    return parts


def submodule(model: nn.Module, path: str) -> nn.Module:
    """The module at an attribute path; a lone parameter comes in a list. RuntimeError says what is there instead."""
    found: Any = model
    for name in path.split("."):
        inside = getattr(found, name, None)
        if isinstance(inside, nn.Parameter):
            inside = nn.ParameterList([inside])
        if not isinstance(inside, nn.Module):
            there = ", ".join(child for child, _ in found.named_children()) or "nothing"
            raise RuntimeError(
                f"{type(model).__name__} has no module {path!r}: this version of it is not known here. Where {name!r} "
                f"was looked for there is: {there}"
            )
        found = inside
    return found
