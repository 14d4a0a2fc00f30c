"""Intruder dimensions made smaller after training, by peft ("LoRA vs Full Fine-tuning: An Illusion of Equivalence",
arXiv 2410.21228).

A singular direction of the trained matrix that resembles none of the matrix before is an intruder. Low-rank adapters
make such, full fine-tuning does not, and what was known before is lost with them. Of each of the largest ten that is
one (its cosine with every direction before is below one half) a share is left, the rest is taken out again, and the
adapter has its rank as before. It costs two singular value decompositions a matrix.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from fgtrain.recipe.model_schema import TrainPart

from .adapter_layers import NAME, adapters
from .lvlm import LVLM

REDUCED = "reduced"
# What peft says to somebody who would not know that there are two adapters for a while.
QUIET = ("Already found a `peft_config`.*", f"Adapter {REDUCED} was active which is now deleted.*")


class _AsPeftModel:
    """A part with adapters, as far as peft's function looks at a model."""

    peft_type = "LORA"

    def __init__(self, module: nn.Module) -> None:
        self.module, self.peft_config = module, {NAME: next(_configs(module))}

    def named_modules(self) -> Any:
        return self.module.named_modules()

    def add_adapter(self, name: str, config: Any) -> None:
        from peft import inject_adapter_in_model

        inject_adapter_in_model(config, self.module, adapter_name=name)

    def set_adapter(self, name: str) -> None:
        """The caller takes its weights."""


def _configs(module: nn.Module) -> Any:
    return (m.peft_config[NAME] for m in module.modules() if isinstance(getattr(m, "peft_config", None), dict))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message=message)
        yield


@torch.no_grad()
def reduce_intruders(lvlm: LVLM, train: Mapping[str, TrainPart]) -> dict[str, int]:
    """Leave of each intruder dimension the share that its part's `lora.intruders` says; part -> how many were found.

    Changes the adapters in place; 1 leaves them as they are to the bit. Of a model without weights it does nothing.
    """
    from peft.tuners.lora.intruders import reduce_intruder_dimension

    found = {}
    for part, how in train.items():
        share = how.lora.intruders if how.lora is not None else None
        if share is None or lvlm.device.type == "meta":
            continue
        told: list[str] = []
        module = lvlm.parts[part]
        with torch.random.fork_rng(devices=[]), _quiet():
            reduce_intruder_dimension(
                _AsPeftModel(module), NAME, REDUCED, mitigation_lambda=share, logging_sink=told.append
            )
        found[part] = sum(int(line.rpartition(" ")[2]) for line in told if "Intruders:" in line)
        for _, layer in adapters(module):
            if share < 1:
                for kind in ("lora_A", "lora_B"):
                    factors = getattr(layer, kind)
                    factors[NAME].weight.copy_(factors[REDUCED].weight)
            with _quiet():
                layer.delete_adapter(REDUCED)
            layer.set_adapter(NAME)
    return found
