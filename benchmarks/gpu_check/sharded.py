"""SFT of the same shape under ZeRO-2 and FSDP2, alone on the device, with and without offload."""

from .found import Check, Found, NotHereError
from .models import FEW_WORDS, FULL, drawn_model, prepared, write_recipe
from .training import one_stage

# An optimizer step of what is offloaded is the host's work; the shape is the same with fewer layers and words.
LAYERS, LAYERS_OFFLOADED, STEPS, STEPS_OFFLOADED = 4, 1, 5, 3


def run(check: Check, found: Found, way: str) -> None:
    strategy, _, offload = way.partition(" ")
    layers = 1 if check.small else LAYERS_OFFLOADED if offload else LAYERS
    if check.small and strategy == "fsdp" and offload:
        raise NotHereError("FSDP2 offloads from a device to its host; on a CPU they are one")
    devices: dict = {"strategy": strategy, "offload": offload or None, "layer_kernels": "torch"}
    if check.small:
        devices["precision"] = "fp32"  # a CPU's layer norms take no bf16 weights for fp32 values, a GPU's do
    steps, sizes = (STEPS_OFFLOADED, FEW_WORDS) if offload else (STEPS, FULL)
    recipe = prepared(write_recipe(check, layers, steps, "sharded", sizes, **devices))
    lvlm = drawn_model(recipe, check)
    lvlm.cpu()  # a sharding strategy is given the model there
    one_stage(check, found, way, recipe, "sft", lvlm)
