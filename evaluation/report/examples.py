"""Examples with their pictures: twelve a run (learned, forgotten, others), and the items forgotten most often."""

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from data_builders.benchmark_images import ImageFolder
from data_builders.shared.errors import UserError
from data_builders.shared.files import safe_join
from data_builders.shared.pictures import open_image
from data_builders.shared.seeding import address_hash

from ..compare import Comparison, RunResult
from ..ledger import GROUPS, ForgottenItem, TaskHistory, ever_beyond
from ..ledger.answers import judged_rows

KINDS = ("learned", "forgotten", "other")
EACH = 4
MOST_FORGOTTEN = 12
THUMBNAIL = 208  # pixels of the longer side
DRAWN = 2_000  # items of a kind that are drawn from


@dataclass(frozen=True)
class Said:
    """What one model answered. `run` is empty where all answers of the example are one run's."""

    checkpoint: str
    answer: str
    right: bool
    reason: str = ""  # the judge's
    run: int | None = None


@dataclass(frozen=True)
class Example:
    """One question with what the model said at a few checkpoints."""

    kind: str
    group: str
    task: str
    title: str
    rule: str
    question: str
    gold: str
    image: str
    picture: str | None  # data URI; None: the file is missing or there is no picture
    answers: list[Said] = field(default_factory=list)
    times: int = 0
    lost_in: int = 0


def examples(result: RunResult) -> list[Example]:
    """Up to 3 x EACH examples, drawn by the address of the item, so that runs show the same ones where they can."""
    ranked: dict[tuple[str, str], list[tuple[int, int, str, int]]] = {}
    for task, one in result.tasks.items():
        if one.history is None:
            continue
        ids, kinds = one.history.ids, kinds_of(one.history.right)
        if not ever_beyond(result.run.checkpoints, task):  # what is guessed is neither learned nor forgotten
            kinds = np.full_like(kinds, KINDS.index("other"))
        for number, kind in enumerate(KINDS):
            places = np.nonzero(kinds == number)[0]
            places = places[:: max(1, len(places) // DRAWN)].tolist()
            # Few of one task suffice; the first of every task come before the second of any.
            drawn = sorted((address_hash("report example", task, str(ids[place])), place) for place in places)[:EACH]
            rows = [(turn, address, task, place) for turn, (address, place) in enumerate(drawn)]
            ranked.setdefault((kind, one.group), []).extend(rows)
    chosen = []
    for kind in KINDS:
        queues = [sorted(ranked.get((kind, group), [])) for group in GROUPS]
        taken = [queue[i] for i in range(EACH) for queue in queues if i < len(queue)][:EACH]
        chosen += [_example(result, kind, task, place) for _, _, task, place in taken]
    return chosen


def kinds_of(right_CN: np.ndarray) -> np.ndarray:
    """Places in KINDS. Forgotten: right at some checkpoint before and wrong now. Learned: wrong at first, right now."""
    first, last, ever = right_CN[0], right_CN[-1], right_CN.any(0)
    return np.where(last, np.where(first, 2, 0), np.where(ever, 1, 2))


def _example(result: RunResult, kind: str, task: str, place: int) -> Example:
    history = result.tasks[task].history
    right = history.right_of(place)
    shown = {0, len(right) - 1}
    if kind == "forgotten":  # also where it was last right
        shown.add(max(number for number, one in enumerate(right) if one))
    answers = [_said(result, history, number, place, right[number]) for number in sorted(shown)]
    return _about(result, task, history.row(len(right) - 1, place), kind=kind, answers=answers)


def _said(
    result: RunResult, history: TaskHistory, checkpoint: int, place: int, right: bool, run: int | None = None
) -> Said:
    row = history.row(checkpoint, place)
    verdict = judged_rows(history.answers[checkpoint].path).get((row.get("image"), row.get("question")), {})
    reasons = [
        f"{name} {verdict[f'{key}_score']}: {verdict.get(key) or 'no reason given'}"
        for name, key in (("recognition", "Item_accuracy"), ("content", "Fact_accuracy"))
        if f"{key}_score" in verdict
    ]
    reason = f"{verdict.get('judge') or 'judge'} — {'; '.join(reasons)}" if reasons else ""
    return Said(result.run.checkpoints[checkpoint].name, str(row.get("answer") or ""), right, reason, run)


def _about(result: RunResult, task: str, row: dict, **more) -> Example:
    score, gold, image = result.run.task_score(task), row.get("gold"), str(row.get("image") or "")
    root = str(score.get("image_root") or "")
    return Example(
        group=score["group"],
        task=task,
        title=str(score["title"]),
        rule=str(score["primary"]),
        question=str(row.get("question") or row.get("prompt") or ""),
        gold=" / ".join(map(str, gold)) if isinstance(gold, list) else str(gold),
        image=image,
        picture=thumbnail(result.run.folder, root, image) if image else None,
        **more,
    )


def forgotten_examples(found: Comparison) -> list[Example]:
    """The items forgotten most often with every run's answers where it was last right and at the end."""
    return [_forgotten(found, item) for item in found.most_forgotten[:MOST_FORGOTTEN]]


def _forgotten(found: Comparison, item: ForgottenItem) -> Example:
    answers, about = [], None
    for number, right in item.runs.items():
        result = found.runs[number]
        history = result.tasks[item.task].history
        place = history.item(item.question_id)
        about = about or (result, history.row(len(right) - 1, place))
        lost = [c for c in range(1, len(right)) if right[c - 1] and not right[c]]
        if lost:
            answers += [_said(result, history, c, place, right[c], number) for c in (lost[-1] - 1, lost[-1])]
    return _about(
        about[0], item.task, about[1], kind="forgotten", answers=answers, times=item.times, lost_in=item.lost_in
    )


def thumbnail(folder: Path, root: str, image: str) -> str | None:
    """The picture as `small_jpeg` gives it, as a data URI."""
    jpeg = small_jpeg(folder, root, image)
    return None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def small_jpeg(folder: Path, root: str, image: str) -> bytes | None:
    """At most THUMBNAIL pixels a side; None when it cannot be read. The root may be relative to the run folder."""
    for base in (Path(root), folder / root):
        try:
            picture = open_image(safe_join(base, ImageFolder(base).spelt(image)))
        except (UserError, OSError):
            continue
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=82)
        return buffer.getvalue()
    return None
