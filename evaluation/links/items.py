"""The questions about categories that a checkpoint was asked, and what broke at each."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ..ledger.answers import rows_with_offsets
from ..ledger.run import Checkpoint, Run
from ..scoring.answer_columns import cluster_of
from ..scoring.score_answers import RIGHT, item_scores
from ..shared.texts import normalise
from ..tasks.task import CONDITION
from ..tasks.task_files import task_without_items
from .probes import Prediction

LINKS = ("right", "features", "knowledge", "grounding")
KNOWLEDGE = "knowledge/"  # tasks that ask without a picture
NAMED = ("choice", "short_answer")  # kinds of questions whose gold is the category's name
HIERARCHY = "fgbmk/"


@dataclass(frozen=True)
class Item:
    question_id: int | str
    image: str  # what is resampled together
    image_hash: str
    gold: str
    options: tuple[str, ...]
    right: bool


def tasks_about_categories(checkpoint: Checkpoint) -> list[str]:
    """FG-BMK's choices and short answers; not those about attributes or perturbed pictures."""
    return [
        name
        for name in checkpoint.tasks
        if name.startswith(HIERARCHY) and CONDITION not in name and name.rpartition("/")[2] in NAMED
    ]


def items_of(run: Run, checkpoint: Checkpoint, name: str) -> list[Item]:
    """Questions with one gold, in the order of the file; none where there are no answers."""
    path = run.answers_file(checkpoint.name, name)
    rows = [row for _, row in rows_with_offsets(path)] if path.exists() else []
    if not rows:
        return []
    scores = item_scores(task_without_items(name), rows)
    return [
        Item(
            row["question_id"],
            cluster_of(row),
            str(row.get("image_hash")),
            row["gold"],
            tuple(map(str, row.get("options") or ())),
            scores[row["question_id"]] >= RIGHT,
        )
        for row in rows
        if isinstance(row["gold"], str)
    ]


def known_categories(run: Run, checkpoint: Checkpoint) -> dict[str, bool]:
    """Normalised name -> are more than half of the questions without a picture about it answered right?"""
    found: dict[str, list[bool]] = defaultdict(list)
    for name in checkpoint.tasks:
        if name.startswith(KNOWLEDGE):
            for item in items_of(run, checkpoint, name):
                found[normalise(item.gold)].append(item.right)
    return {name: sum(rights) > len(rights) / 2 for name, rights in found.items()}


def link_of(item: Item, predictions: Mapping[str, Prediction], known: Mapping[str, bool]) -> str | None:
    """One of LINKS; None where the picture was not probed for such a name, or nothing was asked about the category."""
    prediction = predictions.get(item.image_hash)
    seen = prediction.right(item.gold, item.options) if prediction is not None else None
    text = known.get(normalise(item.gold))
    if seen is None or text is None:
        return None
    if item.right:
        return "right"
    return "features" if not seen else "knowledge" if not text else "grounding"
