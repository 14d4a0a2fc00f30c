"""The wrong names that a model finds likeliest behind the pictures of each category, out of its lists of names."""

from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError

from ..shared.confusions import write_confusions
from ..tasks.task import Task
from .name_lists import list_scores
from .predictions import read_predictions


def mine_names(task: Task, answers: Path, out: Path, rule: str, top: int) -> int:
    """Write them; the number of pictures they come from. UserError: no answers of that task to those questions."""
    found, _ = read_predictions(task, answers)
    sums = np.zeros((len(task.names), len(task.names)))
    counts, about = np.zeros(len(task.names)), {}
    for row in found:
        scores = list_scores(row, rule)
        if len(scores) != len(task.names) or task.names[row["gold_place"]] != row["gold"]:
            raise UserError(f"{answers}: a list of {len(scores)} names, and {task.source} has {len(task.names)}")
        share = np.exp(scores - scores.max())
        sums[row["gold_place"]] += share / share.sum()
        counts[row["gold_place"]] += 1
        about = {key: row.get(key) for key in ("model", "model_hash")}
    with np.errstate(divide="ignore", invalid="ignore"):
        likeness = np.where(counts[:, None] > 0, sums / counts[:, None], -np.inf)
    made_by = {**about, "how": f"likelihood of names ({rule})", "task": task.name, "images": int(counts.sum())}
    level = task.name.rsplit("/", 1)[-1]
    write_confusions(out, task.names, likeness, level=level, pictures="test", made_by=made_by, top=top)
    return int(counts.sum())
