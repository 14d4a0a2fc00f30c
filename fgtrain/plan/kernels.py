"""Which kernels a language model's layers train with."""

import importlib.util

from fgtrain.recipe.devices_schema import Devices


def layer_kernels(devices: Devices) -> str:
    """What the recipe says; for "auto" Liger's ("liger") on GPUs where it is installed, else torch's own ("torch").

    It says so without a GPU at hand: on the machine that plans as on those that train, if both see one environment.
    """
    if devices.layer_kernels != "auto":
        return devices.layer_kernels
    there = devices.accelerator == "gpu" and importlib.util.find_spec("liger_kernel") is not None
    return "liger" if there else "torch"


def layer_kernels_note(devices: Devices) -> str | None:
    """What a plan says of them; None where layers are what transformers wrote."""
    kernels = layer_kernels(devices)
    if kernels == "torch":
        return None
    how = "compiled by torch (a minute at each start)" if kernels == "compile" else "Liger's, where it knows the model"
    why = "" if devices.layer_kernels != "auto" else ": it is installed"
    return f"Layers of the language model train with kernels {how}{why}. Fingerprints know it"
