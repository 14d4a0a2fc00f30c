"""What known GPUs can do and hold, as their makers state it, and what the plan reckons with.

Figures are NVIDIA's own: of the products' data sheets (nvidia.com/en-us/data-center/<product>), for H20 and L20, which
have none in public, of the product briefs that their sellers show; for GeForce and RTX cards of the whitepapers of
their architecture (Ampere GA102, Ada, Blackwell), bf16 with fp32 accumulation; of the A10G, AWS's (EC2 G5). Sheets that
print matrix products "with sparsity" are halved: everything here is dense.
"""

import re
from dataclasses import dataclass, field

from fgtrain.errors import UserError
from fgtrain.recipe import Devices
from fgtrain.recipe.devices_schema import GpuFigures

# Words of the device's name, as the driver gives it -> (TFLOP/s in bf16, in fp32, TB/s of its memory, GB of it). Of all
# whose words are in the name, the one with most words counts: an "NVIDIA H100 NVL" is not an "NVIDIA H100 80GB HBM3".
GPUS: dict[str, tuple[float, float, float, float]] = {
    "GB300": (2500, 80, 8.0, 288),
    "B300": (2250, 75, 8.0, 288),
    "GB200": (2500, 80, 8.0, 186),
    "B200": (2250, 75, 8.0, 180),
    "B100": (1750, 60, 8.0, 180),
    "GH200": (989, 67, 4.0, 96),
    "GH200 144G": (989, 67, 4.9, 144),
    "H200": (989, 67, 4.8, 141),
    "H200 NVL": (835, 60, 4.8, 141),
    "H100": (989, 67, 3.35, 80),
    "H100 NVL": (835, 60, 3.9, 94),
    "H100 PCIe": (756, 51, 2.0, 80),
    "H800": (989, 67, 3.35, 80),
    "H800 PCIe": (756, 51, 2.0, 80),
    "H20": (148, 44, 4.0, 96),
    "A100": (312, 19.5, 2.0, 80),
    "A100 40GB": (312, 19.5, 1.555, 40),
    "A800": (312, 19.5, 2.0, 80),
    "A800 40GB": (312, 19.5, 1.555, 40),
    "A30": (165, 10.3, 0.933, 24),
    "A40": (150, 37.4, 0.696, 48),
    "A10": (125, 31.2, 0.6, 24),
    "A10G": (70, 35, 0.6, 24),
    "L40S": (362, 91.6, 0.864, 48),
    "L40": (181, 90.5, 0.864, 48),
    "L20": (119.5, 59.8, 0.864, 48),
    "L4": (121, 30.3, 0.3, 24),
    "RTX PRO 6000": (504, 126, 1.792, 96),
    "RTX PRO 6000 Max Q": (439, 110, 1.792, 96),
    "RTX PRO 6000 Server": (480, 120, 1.597, 96),
    "RTX 6000 Ada": (364, 91.1, 0.96, 48),
    "RTX 5000 Ada": (261, 65.3, 0.576, 32),
    "RTX A6000": (155, 38.7, 0.768, 48),
    "RTX A5000": (111, 27.8, 0.768, 24),
    "RTX 5090": (210, 105, 1.792, 32),
    "RTX 4090": (165, 82.6, 1.008, 24),
    "RTX 3090": (71, 35.6, 0.936, 24),
}

ASSUMED_GPU = "A100"  # of a recipe that asks for GPUs and names none, planned where there is none


@dataclass(frozen=True)
class Peak:
    """One device; None where it is not known."""

    train: float | None  # FLOP/s in the recipe's precision
    fp32: float | None  # FLOP/s; the encoder's cache is filled so
    memory: float | None = None  # bytes/s, by which the writing of answers is bound
    holds: int | None = None  # bytes, of 10^9 a GB: a little less than drivers report
    of: str = field(default="the devices", compare=False)  # whose these are, for people


def known_gpu(name: str) -> GpuFigures | None:
    """The figures of a GPU by its name ("NVIDIA A100-SXM4-80GB"); None for one that is not known here, for a slice of
    one (MIG) and for a laptop's, which have the names of larger ones.
    """
    words = _words(name)
    found = [] if words & {"mig", "laptop"} else [entry for entry in GPUS if _words(entry) <= words]
    if not found:
        return None
    bf16, fp32, speed, size = GPUS[max(found, key=lambda entry: len(_words(entry)))]
    return GpuFigures(bf16_tflops=bf16, fp32_tflops=fp32, memory_tb_per_s=speed, memory_gb=size)


def gpu_peak(name: str, devices: Devices) -> Peak:
    """Of a GPU that is here; where it is not known, of the figures that the recipe gives for it."""
    figures = known_gpu(name) or (devices.gpu if isinstance(devices.gpu, GpuFigures) else None)
    return Peak(None, None, of=name) if figures is None else _peak(figures, devices, name)


def assumed_peak(devices: Devices) -> Peak | None:
    """Of the GPU that a recipe names or describes, of an A100 for one that asks for GPUs; None for others: what a CPU
    can do must be measured. UserError for a name that is not known.
    """
    if devices.gpu is None and devices.accelerator != "gpu":
        return None
    figures = devices.gpu if isinstance(devices.gpu, GpuFigures) else known_gpu(devices.gpu or ASSUMED_GPU)
    if figures is None:
        raise UserError(
            f"devices.gpu: {devices.gpu} is not known. Known are {', '.join(GPUS)}. For another one write its figures: "
            f"'devices.gpu={{bf16_tflops: 989, fp32_tflops: 67, memory_tb_per_s: 3.35, memory_gb: 80}}' (dense, of its "
            f"data sheet)"
        )
    if isinstance(devices.gpu, GpuFigures):
        return _peak(figures, devices, "the GPU that devices.gpu describes")
    return _peak(figures, devices, devices.gpu or f"an {ASSUMED_GPU} (devices.gpu names another)")


def _peak(figures: GpuFigures, devices: Devices, of: str) -> Peak:
    train = figures.bf16_tflops if devices.precision == "bf16" else figures.fp32_tflops
    speed, size = figures.memory_tb_per_s * 1e12, int(figures.memory_gb * 1e9)
    return Peak(train * 1e12, figures.fp32_tflops * 1e12, speed, size, of)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))
