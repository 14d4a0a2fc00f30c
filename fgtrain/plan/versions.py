"""What a result is made with: the program's own code, its commit, and the libraries. Found without importing any."""

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit

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
MODEL = ("fgtrain.model.build", "fgtrain.model.checkpoint")
# Objective of a stage -> the modules that, with all they import, decide the weights after it. What only asks, scores or
# shows is left out, so that a better scoring rule retrains nothing.
TRAINING = {
    "answers": (
        *MODEL,
        "fgtrain.model.trainable_weights",
        "fgtrain.data.datamodule",
        "fgtrain.training.trainer",
    ),
    "heads": (*MODEL, "fgtrain.training.classification_pretraining"),
}


@dataclass(frozen=True)
class Program:
    """`code`: objective -> what trains a stage with it; `commit`: see code_identity; `versions`: package -> version."""

    code: dict[str, CodeIdentity]
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


def this_program(top: Path = TOP) -> Program:
    """The program that runs, or the one whose packages lie in `top`."""
    return Program({name: code_of(*roots, top=top) for name, roots in TRAINING.items()}, commit(top), versions())


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
