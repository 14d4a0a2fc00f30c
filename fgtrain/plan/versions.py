"""The program that a plan is carried out with: which modules decide a stage, their hash, commit, libraries."""

from dataclasses import dataclass, field
from pathlib import Path

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit, with_plugin_code
from data_builders.shared.made_with import versions
from fgtrain.recipe.objective_schema import OWN

MODEL = ("fgtrain.model.build", "fgtrain.model.checkpoint")
# Objective of a stage -> the modules that, with all they import, decide the weights after it.
# What only asks, scores or shows is left out, so that a better scoring rule retrains nothing.
ANSWERS = (*MODEL, "fgtrain.model.trainable_weights", "fgtrain.data.datamodule", "fgtrain.training.trainer")
TRAINING = {
    "answers": ANSWERS,
    "grpo": (*ANSWERS, "fgtrain.training.objectives.grpo", "fgtrain.training.objectives.rewarded_rows"),
    "self_distillation": (*ANSWERS, "fgtrain.training.objectives.self_distillation"),
    "dpo": (*ANSWERS, "fgtrain.training.objectives.dpo"),
    "heads": (*MODEL, "fgtrain.training.classification_pretraining"),
    "merge": (*MODEL, "fgtrain.model.merged"),
    "best": (),  # copied
}
# What is added to an objective -> its own modules.
ADDED = {
    "keep": ("fgtrain.training.objectives.keep",),
    "supcon": ("fgtrain.training.objectives.supcon",),
    "patch_align": ("fgtrain.training.objectives.patch_align",),
}
# They put the parts together for a stage, and import what asks and shows as well.
ASSEMBLY = ("fgtrain.jobs.train", "fgtrain.jobs.inputs", "fgtrain.training.objectives.making")
# What renders a picture, and what encodes it in each family.
ENCODING = ("fgtrain.data.features", "fgtrain.model.families")
# What measures a vision encoder's features.
MEASURING = ("fgtrain.training.featurizer", "evaluation.features.measure_sets")
# What chooses replayed rows by what two checkpoints make of them, or has them answered by one.
CHOOSING = (*MODEL, "fgtrain.training.row_losses", "fgtrain.training.answerer", "fgtrain.data.replay")
# What asks a checkpoint and scores its answers; and what else does where a server answers.
ASKING = ("fgtrain.training.answerer", "evaluation.asking.evaluate")
SERVING = ("evaluation.serving.answerer",)


@dataclass(frozen=True)
class Program:
    """`code`: `trained_by` of a stage -> what trains it; `commit`: see code_identity; `versions`: package -> its
    version."""

    code: dict[str, CodeIdentity]
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    top: Path = TOP

    def trains(self, trained_by: str) -> CodeIdentity:
        return self.code.get(trained_by) or training_code(trained_by, self.top)

    def chooses(self) -> CodeIdentity:
        return choosing_code(self.top)


def this_program(top: Path = TOP) -> Program:
    """The program that runs, or the one whose packages lie in `top`."""
    return Program({objective: training_code(objective, top) for objective in TRAINING}, commit(top), versions(), top)


def training_code(trained_by: str, top: Path = TOP) -> CodeIdentity:
    """What trains a stage with an objective and what is added to it ("answers+supcon"). A user's own part counts
    with all that it imports of its package.
    """
    names = trained_by.split("+")
    known = TRAINING | ADDED
    roots = [root for name in names for root in known.get(name, TRAINING["answers"])]
    found = code_of(*dict.fromkeys(roots), alone=ASSEMBLY, top=top)
    own = {path: one for name in names if name not in known for path, one in OWN.code(name).items()}
    return with_plugin_code(found, own)


def choosing_code(top: Path = TOP) -> CodeIdentity:
    """What chooses replayed rows."""
    return code_of(*CHOOSING, alone=("fgtrain.jobs.replay", "fgtrain.jobs.own_answers"), top=top)


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
