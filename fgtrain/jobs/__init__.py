"""One plain function a kind of job, in a process (group) of its own: reads files, writes files.

`python -m fgtrain.jobs FOLDER` does the job whose job.json lies in the folder. Every function here is called as
(recipe, group, **arguments), by all processes of the group; a second call finds its work done and returns.
"""

from importlib import import_module
from typing import Any

# kind -> (module, function, does it import torch?)
KINDS: dict[str, tuple[str, str, bool]] = {
    "build": ("build", "build_data_set", False),
    "sample_text": ("sample_text", "sample_text", True),
    "prepare": ("prepare", "prepare", True),
    "match": ("match", "match", False),
    "encode": ("encode", "encode", True),
    "replay": ("replay", "choose_replayed", True),
    "train": ("train", "train_stage", True),
    "merge": ("merge", "merge_checkpoints", True),
    "best": ("take_best", "take_best", True),
    "evaluate": ("evaluate", "evaluate_checkpoint", True),
    "recover": ("recover", "recover", True),
    "features": ("features", "measure_features", True),
    "judge": ("judge", "judge_checkpoint", False),
    "report": ("report", "report_run", False),
    "answer": ("report", "report_study", False),
}


def function_of(kind: str) -> Any:
    module, name, _ = KINDS[kind]
    return getattr(import_module(f".{module}", __package__), name)


def imports_torch(kind: str) -> bool:
    return KINDS[kind][2]
