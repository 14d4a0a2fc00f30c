"""What known GPUs can do: dense matrix products, FLOP/s, and bytes/s of their memory, as their makers state them."""

from dataclasses import dataclass

from fgtrain.recipe import Devices

# A part of the device's name -> (bf16, fp32, memory). The first that is found counts: special names stand before
# general ones.
GPUS: dict[str, tuple[float, float, float]] = {
    "B200": (2250e12, 75e12, 8.0e12),
    "GH200": (989e12, 67e12, 4.0e12),
    "H200": (989e12, 67e12, 4.8e12),
    "H100 PCIe": (756e12, 51e12, 2.0e12),
    "H100 NVL": (835e12, 60e12, 3.9e12),
    "H100": (989e12, 67e12, 3.35e12),
    "H800": (989e12, 67e12, 3.35e12),
    "A100": (312e12, 19.5e12, 2.0e12),
    "A800": (312e12, 19.5e12, 2.0e12),
    "A40": (150e12, 37.4e12, 0.7e12),
    "A10G": (70e12, 35e12, 0.6e12),
    "A10": (125e12, 31.2e12, 0.6e12),
    "L40S": (362e12, 91.6e12, 0.86e12),
    "L40": (181e12, 90.5e12, 0.86e12),
    "L4": (121e12, 30.3e12, 0.3e12),
    "RTX 6000 Ada": (364e12, 91.1e12, 0.96e12),
    "RTX A6000": (155e12, 38.7e12, 0.77e12),
    "RTX 4090": (165e12, 82.6e12, 1.0e12),
    "RTX 3090": (71e12, 35.6e12, 0.94e12),
}


ASSUMED_GPU = "A100"  # for times of a recipe that asks for GPUs, planned where there is none


@dataclass(frozen=True)
class Peak:
    """One device; None where it is not known."""

    train: float | None  # FLOP/s in the recipe's precision
    fp32: float | None  # FLOP/s; the encoder's cache is filled so
    memory: float | None = None  # bytes/s, by which the writing of answers is bound


def peak_of(name: str, precision: str) -> float | None:
    """FLOP/s of a GPU by its name ("NVIDIA A100-SXM4-80GB"), None for one that is not known here."""
    found = _figures(name)
    return None if found is None else found[0 if precision == "bf16" else 1]


def gpu_peak(name: str, precision: str) -> Peak:
    found = _figures(name)
    return Peak(None, None) if found is None else Peak(found[0 if precision == "bf16" else 1], *found[1:])


def assumed_peak(devices: Devices) -> Peak | None:
    """Of an A100 for a recipe that asks for GPUs; None for others: what a CPU can do must be measured."""
    return gpu_peak(ASSUMED_GPU, devices.precision) if devices.accelerator == "gpu" else None


def _figures(name: str) -> tuple[float, float, float] | None:
    return next((figures for part, figures in GPUS.items() if part.lower() in name.lower()), None)
