"""The program that a plan is carried out with: which modules decide a stage, their hash, commit, libraries."""

from dataclasses import dataclass, field
from pathlib import Path

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit
from data_builders.shared.made_with import made_with, versions

__all__ = ["ASKING", "TRAINING", "Program", "made_with", "this_program", "versions"]

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
# What asks a checkpoint and scores its answers.
ASKING = ("fgtrain.training.answerer", "evaluation.asking.engine")


@dataclass(frozen=True)
class Program:
    """`code`: objective -> what trains a stage with it; `commit`: see code_identity; `versions`: package -> version."""

    code: dict[str, CodeIdentity]
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


def this_program(top: Path = TOP) -> Program:
    """The program that runs, or the one whose packages lie in `top`."""
    return Program({name: code_of(*roots, top=top) for name, roots in TRAINING.items()}, commit(top), versions())
