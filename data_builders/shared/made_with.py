"""What a result is made with, for the record beside it: code, commit, libraries. Found without importing any."""

import platform
from importlib.metadata import PackageNotFoundError, version

from .code_identity import commit

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


def made_with(code: str | None = None) -> dict:
    """For the record beside a result. `code`: the hash of what made it."""
    return ({"code": code} if code else {}) | {"commit": commit(), "versions": versions()}


def versions() -> dict[str, str]:
    """Package -> version, of those that decide results; and Python's."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
