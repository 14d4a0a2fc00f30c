"""Item by item across the checkpoints of a run: what was learned, kept, forgotten, regained; and the sums of it.

`run` reads a run folder, `answers` an answers file as columns, `store` keeps them and sums over them, `history` sets
the checkpoints side by side, `between_checkpoints` adds what was asked between them, `transitions` names what became of
each item, `floor` tells what there is to forget, `unmeasured` what has no number, `faults` tells form from knowledge,
`changes` compares two checkpoints, `most_forgotten` lists items, `categories` tells a task's categories apart.
"""

from .between_checkpoints import history_with_steps, moments
from .categories import Categories, CategoryScore
from .changes import Change, Part, Split, change_of, compare_answers, unpaired, with_holm
from .floor import beyond, ever_beyond, floor, nothing_to_forget, stands
from .history import TaskHistory, task_history
from .most_forgotten import ForgottenItem, most_forgotten
from .run import GROUPS, Checkpoint, Run, is_accuracy, known, load_run, primary
from .store import (
    SHARES,
    Estimate,
    ItemStore,
    best_checkpoint,
    forgetting,
    group_mean,
    mean_change,
    shared_tasks,
)
from .transitions import WORDS, counted, transition, transitions
from .unmeasured import left_out, unmeasured

__all__ = [
    "GROUPS",
    "SHARES",
    "WORDS",
    "Categories",
    "CategoryScore",
    "Change",
    "Checkpoint",
    "Estimate",
    "ForgottenItem",
    "ItemStore",
    "Part",
    "Run",
    "Split",
    "TaskHistory",
    "beyond",
    "ever_beyond",
    "floor",
    "left_out",
    "nothing_to_forget",
    "stands",
    "unmeasured",
    "best_checkpoint",
    "change_of",
    "compare_answers",
    "counted",
    "forgetting",
    "group_mean",
    "history_with_steps",
    "is_accuracy",
    "known",
    "load_run",
    "mean_change",
    "moments",
    "most_forgotten",
    "primary",
    "shared_tasks",
    "task_history",
    "transition",
    "transitions",
    "unpaired",
    "with_holm",
]
