"""Where a model's tensors come from: files, a seed, or nowhere, for what only has to be known of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig

from data_builders.shared.seeding import address_hash

from .projector import draw_projector
from .sources import Source

ALL = frozenset({"vision_encoder", "projector", "language_model"})


@dataclass(frozen=True)
class Tensors:
    """The `parts` of a model that get their tensors, and what those that no file holds are drawn from.

    Every other part lies on the meta device: it has names, shapes and types, and no file of its weights is opened.
    """

    seed: int = 0
    parts: frozenset[str] = ALL
    files: bool = True  # must files of weights be there, even where none is opened?
    device: torch.device | str = "cpu"  # where the parts' tensors go as they are read, one by one

    def __post_init__(self) -> None:
        if torch.device(self.device).type == "meta":
            object.__setattr__(self, "parts", frozenset())

    def load(self, part: str, source: Source, model_class: Any, config: PreTrainedConfig, **arguments: Any) -> Any:
        """A part as its folder has it, in fp32. UserError as `Source.load`."""
        if part in self.parts:
            return source.load(model_class, config, self.device, **arguments)
        if self.files:
            source.refuse_missing_weights()
        return on_meta(model_class, config, **arguments)

    def draw(self, part: str, model_class: Any, config: PreTrainedConfig, **arguments: Any) -> nn.Module:
        """A part with fresh weights: a function of (seed, part) and its config."""
        if part not in self.parts:
            return on_meta(model_class, config, **arguments)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(address_hash(self.seed, part) % 2**63)
            return model_class.from_config(config, dtype=torch.float32, **arguments).to(self.device)

    def draw_projector(self, projector: nn.Module) -> None:
        """Give a projector on the meta device its memory and its weights. Building it with weights would draw from the
        common stream of chance.
        """
        if "projector" in self.parts:
            draw_projector(projector.to_empty(device="cpu"), self.seed)
            projector.to(self.device)

    def released(
        self, source: Source, model_class: Any, config: PreTrainedConfig, paths: Mapping[str, Iterable[str]]
    ) -> Any:
        """An LVLM as its folder has it, in fp32. `paths`: part -> its modules. UserError as `Source.load`."""
        if self.parts == ALL:
            return source.load(model_class, config, self.device)
        if self.files:
            source.refuse_missing_weights()
        model = on_meta(model_class, config)
        if self.parts:
            source.fill(model, [path for part in self.parts for path in paths[part]], self.device)
        return model


def on_meta(model_class: Any, config: PreTrainedConfig, **arguments: Any) -> Any:
    """A model of a class, or of an auto class, without weights, in eval mode as a loaded one."""
    make = getattr(model_class, "from_config", None) or model_class._from_config
    with torch.device("meta"):
        return make(config, dtype=torch.float32, **arguments).eval()
