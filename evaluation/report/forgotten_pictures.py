"""Twelve questions that a checkpoint no longer answers, with their pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_builders.shared.seeding import address_hash

from ..compare import RunResult
from ..ledger import GROUPS, Checkpoint, TaskHistory, ever_beyond
from .examples import DRAWN, small_jpeg

MOST = 12
TEXT = 400  # characters shown of a question or an answer


@dataclass(frozen=True)
class Forgotten:
    """`before`: the answer where it was last right, at checkpoint `at`; `picture`: a small JPEG, where there is one.

    Texts have at most TEXT characters."""

    task: str
    question: str
    gold: str
    at: str
    before: str
    now: str
    picture: bytes | None


def forgotten_pictures(result: RunResult) -> Iterator[tuple[Checkpoint, list[Forgotten]]]:
    """Each checkpoint but the first with up to MOST items that were right before and are wrong now.

    Drawn by the address of the item, the first of every task before the second of any; what was only ever guessed is
    left out.
    """
    for place in range(1, len(result.run.checkpoints)):
        found = []
        for task, one in result.tasks.items():
            beyond = ever_beyond(result.run.checkpoints[:place], task)
            if one.group not in GROUPS or one.history is None or not beyond:
                continue
            right, ids = one.history.right, one.history.ids
            items = np.nonzero(right[:place].any(0) & ~right[place])[0]
            items = items[:: max(1, len(items) // DRAWN)].tolist()
            drawn = sorted((address_hash("forgotten picture", task, str(ids[item])), item) for item in items)
            found += [(turn, address, task, item) for turn, (address, item) in enumerate(drawn[:MOST])]
        chosen = [_item(result, task, place, item) for _, _, task, item in sorted(found)[:MOST]]
        yield result.run.checkpoints[place], chosen


def _item(result: RunResult, task: str, place: int, item: int) -> Forgotten:
    history: TaskHistory = result.tasks[task].history
    last_right = max(number for number, right in enumerate(history.right_of(item)[:place]) if right)
    row = history.row(place, item)
    image, gold = str(row.get("image") or ""), row.get("gold")
    root = str(result.run.task_score(task).get("image_root") or "")
    return Forgotten(
        task=task,
        question=_short(row.get("question") or row.get("prompt")),
        gold=_short(" / ".join(map(str, gold)) if isinstance(gold, list) else gold),
        at=result.run.checkpoints[last_right].name,
        before=_short(history.row(last_right, item).get("answer")),
        now=_short(row.get("answer")),
        picture=small_jpeg(result.run.folder, root, image) if image else None,
    )


def _short(text: object) -> str:
    """One that says nothing is said to."""
    words = str(text) if text not in (None, "") else "(nothing)"
    return words if len(words) <= TEXT else f"{words[: TEXT - 1]}…"
