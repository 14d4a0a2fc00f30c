"""Asks an Answerer every question of every task: grouped by image over all tasks, each distinct question once.

Answers lie in one file a task, `<out>/<task>.jsonl`, which grows by whole rows; a second start asks only what is
missing. An answer is reused only for the same weights, image bytes, prompt and generation settings.
"""

from .asked import Asked, identify
from .batches import batches
from .disk import json_line, rows_on_disk, write_lines
from .engine import ask
from .evaluate import evaluate
from .share import Share
from .subset import subset_of
from .unanswered import read_unanswered

__all__ = [
    "Asked",
    "Share",
    "ask",
    "batches",
    "evaluate",
    "identify",
    "json_line",
    "read_unanswered",
    "rows_on_disk",
    "subset_of",
    "write_lines",
]
