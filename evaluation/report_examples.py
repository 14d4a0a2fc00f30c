"""Twelve examples a run: four learned, four forgotten, four others, fine-grained and general in turn."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data_builders.chance import address_hash
from data_builders.errors import UserError
from data_builders.files import open_image, safe_join

from .report_data import GROUPS, Run
from .report_items import Items, ItemStore, common_keys

KINDS = ("learned", "forgotten", "other")
EACH = 4
THUMBNAIL = 208  # pixels of the longer side


@dataclass(frozen=True)
class Example:
    """One question with what the model said at a few checkpoints: `answers` holds (checkpoint, answer, right)."""

    kind: str
    group: str
    task: str
    title: str
    rule: str
    question: str
    gold: str
    image: str
    picture: str | None  # data URI; None: the file is missing or there is no picture
    answers: list[tuple[str, str, bool]]


def examples(store: ItemStore, run: Run) -> list[Example]:
    """Up to 3 x EACH examples, drawn by the address of the item, so that runs show the same ones where they can."""
    ranked: dict[tuple[str, str], list[tuple[int, str, str, list[str]]]] = {}
    histories: dict[str, list[Items]] = {}
    for task in run.last.tasks:
        items = [store.items(run, checkpoint, task) for checkpoint in run.checkpoints]
        if any(i is None for i in items):
            continue
        histories[task] = items
        best: dict[str, list[tuple[int, str]]] = {kind: [] for kind in KINDS}
        for key in common_keys(items):
            best[_kind([i.right[key] for i in items])].append((address_hash("report example", task, key), key))
        for kind, found in best.items():
            group = run.last.tasks[task]["group"]
            # Few of one task suffice; the first of every task come before the second of any.
            rows = [(turn, address, task, key) for turn, (address, key) in enumerate(sorted(found)[:EACH])]
            ranked.setdefault((kind, group), []).extend(rows)
    chosen = []
    for kind in KINDS:
        queues = [sorted(ranked.get((kind, group), [])) for group in GROUPS]
        taken = [queue[i] for i in range(EACH) for queue in queues if i < len(queue)][:EACH]
        chosen += [_example(run, kind, task, key, histories[task]) for _, _, task, key in taken]
    return chosen


def _kind(history: list[bool]) -> str:
    """Forgotten: right at some checkpoint before and wrong now. Learned: wrong at first and right now."""
    if history[-1]:
        return "other" if history[0] else "learned"
    return "forgotten" if any(history) else "other"


def _example(run: Run, kind: str, task: str, key: str, items: list[Items]) -> Example:
    score, row = run.last.tasks[task], items[-1].rows[key]
    shown = {0, len(items) - 1}
    if kind == "forgotten":  # also where it was last right
        shown.add(max(i for i, item in enumerate(items) if item.right[key]))
    answers = [
        (run.checkpoints[i].name, str(items[i].rows[key].get("answer") or ""), items[i].right[key])
        for i in sorted(shown)
    ]
    gold = row.get("gold")
    image = str(row.get("image") or "")
    return Example(
        kind=kind,
        group=score["group"],
        task=task,
        title=str(score["title"]),
        rule=str(score["primary"]),
        question=str(row.get("question") or row.get("prompt") or ""),
        gold=" / ".join(map(str, gold)) if isinstance(gold, list) else str(gold),
        image=image,
        picture=thumbnail(run.folder, str(score.get("image_root") or ""), image) if image else None,
        answers=answers,
    )


def thumbnail(folder: Path, root: str, image: str) -> str | None:
    """The picture as a small JPEG data URI; None when it cannot be read. The root may be relative to the run folder."""
    for base in (Path(root), folder / root):
        try:
            picture = open_image(safe_join(base, image))
        except (UserError, OSError):
            continue
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=82)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return None
