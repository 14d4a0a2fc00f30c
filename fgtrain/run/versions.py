"""What a result was made with."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "fgtrain",
    "torch",
    "lightning",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "tokenizers",
    "datasets",
    "albumentations",
    "numpy",
    "pillow",
)


def versions() -> dict[str, str]:
    """Package -> version, of those that decide results; and Python's."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
