"""The program that a plan is carried out with: which modules decide a stage, their hash, commit, libraries."""

import hashlib
import json
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of, commit
from data_builders.shared.made_with import versions
from fgtrain.errors import UserError
from fgtrain.recipe.objective_schema import own_parts

MODEL = ("fgtrain.model.build", "fgtrain.model.checkpoint")
# Objective of a stage -> the modules that, with all they import, decide the weights after it.
# What only asks, scores or shows is left out, so that a better scoring rule retrains nothing.
ANSWERS = (*MODEL, "fgtrain.model.trainable_weights", "fgtrain.data.datamodule", "fgtrain.training.trainer")
TRAINING = {
    "answers": ANSWERS,
    "grpo": (*ANSWERS, "fgtrain.training.objectives.grpo", "fgtrain.training.objectives.rewarded_rows"),
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
ASKING = ("fgtrain.training.answerer", "evaluation.asking.engine")
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
    """What trains a stage with an objective and what is added to it ("answers+supcon"). A user's own part counts as
    the text of its file.
    """
    names = trained_by.split("+")
    known = TRAINING | ADDED
    roots = [root for name in names for root in known.get(name, TRAINING["answers"])]
    found = code_of(*dict.fromkeys(roots), alone=ASSEMBLY, top=top)
    own = own_parts()
    files = {f"{own[name].value} (entry point {name})": _text_hash(own[name]) for name in names if name not in known}
    if not files:
        return found
    told = json.dumps([found.hash, files], sort_keys=True)
    return CodeIdentity(hashlib.blake2b(told.encode(), digest_size=8).hexdigest(), found.files | files)


def _text_hash(point: EntryPoint) -> str:
    spec = find_spec(point.module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise UserError(f"entry point {point.name} = {point.value}: there is no such module. Install its package anew")
    return hashlib.blake2b(Path(spec.origin).read_bytes(), digest_size=8).hexdigest()


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
