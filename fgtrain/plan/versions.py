"""The program that a plan is carried out with: which modules decide a stage, their hash, commit, libraries."""

from dataclasses import dataclass, field
from pathlib import Path

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit
from data_builders.shared.made_with import versions

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
    "merge": (*MODEL, "fgtrain.model.merged"),
}
# They put the parts together for a stage, and import what asks and shows as well.
ASSEMBLY = ("fgtrain.jobs.train", "fgtrain.jobs.inputs")
# What renders a picture, and what encodes it in each family.
ENCODING = ("fgtrain.data.features", "fgtrain.model.families")
# What measures a vision encoder's features.
MEASURING = ("fgtrain.training.featurizer", "evaluation.features.measure_sets")
# What asks a checkpoint and scores its answers; and what else does where a server answers.
ASKING = ("fgtrain.training.answerer", "evaluation.asking.engine")
SERVING = ("evaluation.serving.answerer",)


@dataclass(frozen=True)
class Program:
    """`code`: objective -> what trains a stage with it; `commit`: see code_identity; `versions`: package -> version."""

    code: dict[str, CodeIdentity]
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


def this_program(top: Path = TOP) -> Program:
    """The program that runs, or the one whose packages lie in `top`."""
    return Program({objective: training_code(objective, top) for objective in TRAINING}, commit(top), versions())


def training_code(objective: str, top: Path = TOP) -> CodeIdentity:
    """What trains a stage with this objective."""
    return code_of(*TRAINING[objective], alone=ASSEMBLY, top=top)


def encoding_code() -> CodeIdentity:
    """What makes a frozen encoder's kept outputs."""
    return code_of(*ENCODING)


def measuring_code() -> CodeIdentity:
    """What makes the numbers of a checkpoint's features."""
    return code_of(*MEASURING, alone=("fgtrain.jobs.features",))


def asking_code(engine: str = "own") -> CodeIdentity:
    """What makes a checkpoint's scores. `engine`: as in `evaluation.engine`."""
    if engine == "own":
        return code_of(*ASKING, alone=("fgtrain.jobs.evaluate",))
    return code_of(*ASKING, *SERVING, alone=("fgtrain.jobs.evaluate", "fgtrain.jobs.serving"))
