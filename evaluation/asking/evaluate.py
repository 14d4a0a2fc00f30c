"""Ask and score: every task's numbers, and beside the answers what judges say of them and which names they tell."""

from collections.abc import Mapping
from pathlib import Path

from data_builders.shared.progress import busy

from ..held_out.sides import Sides
from ..judging.judge_scores import with_judges_beside
from ..perturbing import with_drops
from ..protocols import Answerer
from ..scoring.level_paths import with_paths
from ..scoring.matching import JUDGE
from ..scoring.name_outcomes import named_file, with_names
from ..scoring.score_answers import score_answers
from ..scoring.score_files import TaskScore
from ..scoring.score_judged import judge_rows
from ..tasks.task import Task
from .disk import json_line, write_lines
from .engine import ask
from .share import Share
from .subset import subset_of
from .unanswered import note


def evaluate(
    answerer: Answerer,
    tasks: list[Task],
    out: Path,
    subset: int | None = None,
    batch_size: int = 64,
    *,
    options: bool = True,
    share: Share = Share(),
    held_out: Mapping[str, Sides] | None = None,
) -> dict[str, TaskScore]:
    """Ask (see `ask`) and score: task name -> TaskScore, without tasks of which nothing was answered; perturbed tasks
    with what they lost against the plain one.

    `held_out`: task -> which pictures are of categories that are held out, see `score_answers`.
    The judge's reasons lie in <out>/judged/<task>.jsonl, what answers name in <out>/named/<task>.jsonl. Processes that
    are not the first return nothing.
    """
    answers = ask(answerer, tasks, out, subset=subset, batch_size=batch_size, options=options, share=share)
    scores = {}
    for task in tasks:
        rows = answers.get(task.name)
        if not rows:
            continue
        if JUDGE in task.rules:
            judged = judge_rows(task, rows)
            write_lines(Path(out) / "judged" / task.file_name, "".join(map(json_line, judged)))
        missing = len(subset_of(task, subset)) - len(rows)
        notes = [note(missing, len(rows) + missing)] if missing else []
        if (part := len(rows) + missing) < len(task.items):
            notes.append(f"Of {part:,} of the {len(task.items):,} questions, every category in its proportion")
        with busy(f"scoring {task.name}"):
            sides = (held_out or {}).get(task.name)
            score, named = with_names(score_answers(task, rows, notes=notes, sides=sides), task, rows)
            if named:
                write_lines(named_file(out, task), "".join(map(json_line, named)))
            scores[task.name] = with_judges_beside(score, task, Path(out), rows, sides)
    return with_drops(with_paths(scores, tasks, answers), tasks, answers)
