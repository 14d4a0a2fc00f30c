"""SFT of the same shape under ZeRO-2 and FSDP2, alone on the device, with and without offload."""

import torch

from .found import Check, Found, NotHereError
from .models import drawn_model, prepared, write_recipe
from .training import one_stage

# An optimizer step of what is offloaded is the host's work, and its memory; the shape is the same with fewer layers.
LAYERS, LAYERS_OFFLOADED, STEPS = 4, 1, 5


def run(check: Check, found: Found, way: str) -> None:
    strategy, _, offload = way.partition(" ")
    layers = 1 if check.small else LAYERS_OFFLOADED if offload else LAYERS
    if check.small and strategy == "fsdp" and offload:
        raise NotHereError("FSDP2 offloads from a device to its host; on a CPU they are one")
    # The CPU's layer norms take no bf16 weights for fp32 values; a GPU's autocast does.
    types = {"precision": "fp32"} if check.small else {}
    recipe = prepared(
        write_recipe(check, layers, STEPS, "sharded", strategy=strategy, offload=offload or None, **types)
    )
    lvlm = drawn_model(recipe, check)
    if not check.small:
        lvlm.cpu()  # a sharding strategy is given the model there
        torch.cuda.empty_cache()
    one_stage(check, found, way, recipe, "sft", lvlm)
