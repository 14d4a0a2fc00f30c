"""Twelve questions that a checkpoint no longer answers, with their pictures: a table as HTML for a panel elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from data_builders.shared.seeding import address_hash

from ..compare import RunResult
from ..ledger import GROUPS, Checkpoint, TaskHistory, ever_beyond
from .examples import DRAWN, thumbnail

MOST = 12
STYLE = (
    "<style>body{font:13px/1.4 system-ui,sans-serif;margin:0}table{border-collapse:collapse}"
    "th,td{padding:4px 8px;text-align:left;vertical-align:top;border-bottom:1px solid #8884}"
    "img{display:block;max-width:120px;max-height:120px}</style>"
)


@dataclass(frozen=True)
class Forgotten:
    """`before`: the answer where it was last right, at checkpoint `at`; `picture`: a data URI, where there is one."""

    task: str
    question: str
    gold: str
    at: str
    before: str
    now: str
    picture: str | None


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
        question=str(row.get("question") or row.get("prompt") or ""),
        gold=" / ".join(map(str, gold)) if isinstance(gold, list) else str(gold),
        at=result.run.checkpoints[last_right].name,
        before=str(history.row(last_right, item).get("answer") or ""),
        now=str(row.get("answer") or ""),
        picture=thumbnail(result.run.folder, root, image) if image else None,
    )


def pictures_html(items: list[Forgotten], checkpoint: str) -> str:
    """One page without scripts or addresses: a row an item."""
    heads = ("picture", "question", "right answer", "before", f"now, at {checkpoint}", "task")
    rows = "".join(
        "<tr><td>{}</td>{}</tr>".format(
            f'<img src="{one.picture}" alt="">' if one.picture else "no picture",
            "".join(
                f"<td>{escape(text or '(nothing)')}</td>"
                for text in (one.question, one.gold, f"{one.before} (at {one.at})", one.now, one.task)
            ),
        )
        for one in items
    )
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f'<!doctype html><meta charset="utf-8">{STYLE}<table><tr>{head}</tr>{rows}</table>'
