"""Peak arithmetic of known GPUs: dense matrix products, FLOP/s, as their makers state them."""

# A part of the device's name -> (bf16, fp32). The first that is found counts: special names stand before general ones.
GPUS: dict[str, tuple[float, float]] = {
    "B200": (2250e12, 75e12),
    "GH200": (989e12, 67e12),
    "H200": (989e12, 67e12),
    "H100 PCIe": (756e12, 51e12),
    "H100 NVL": (835e12, 60e12),
    "H100": (989e12, 67e12),
    "H800": (989e12, 67e12),
    "A100": (312e12, 19.5e12),
    "A800": (312e12, 19.5e12),
    "A40": (150e12, 37.4e12),
    "A10G": (70e12, 35e12),
    "A10": (125e12, 31.2e12),
    "L40S": (362e12, 91.6e12),
    "L40": (181e12, 90.5e12),
    "L4": (121e12, 30.3e12),
    "RTX 6000 Ada": (364e12, 91.1e12),
    "RTX A6000": (155e12, 38.7e12),
    "RTX 4090": (165e12, 82.6e12),
    "RTX 3090": (71e12, 35.6e12),
}


ASSUMED_GPU = "A100"  # for times of a recipe that asks for GPUs, planned where there is none


def peak_of(name: str, precision: str) -> float | None:
    """FLOP/s of a GPU by its name ("NVIDIA A100-SXM4-80GB"), None for one that is not known here."""
    for part, (bf16, fp32) in GPUS.items():
        if part.lower() in name.lower():
            return bf16 if precision == "bf16" else fp32
    return None
