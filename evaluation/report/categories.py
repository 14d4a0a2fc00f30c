"""How well each category is told, with its interval and its name: of runs where they began and ended, of a study each
arm over its seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..compare import Comparison
from ..ledger import Categories, CategoryScore, Checkpoint, ItemStore, Run, is_accuracy
from ..study import StudyAnswer
from ..tasks.task import CONDITION
from .curves import sizes
from .figures import Figure, Line, Point
from .levels import ORDER
from .strong import strong_arms
from .text import num

MOST = 40  # categories drawn; of more, as many of the best and of the worst
FEW = 8  # categories that one panel as wide as the page shows
MOST_ROWS = 400  # of the table
SHOWN = 4  # arms that are drawn
KINDS = ("short_answer", "choice", "names")  # the most telling first
Column = tuple[int, str, bool, dict[str, CategoryScore]]  # number of run or arm, label, where it ended, scores


def run_categories(found: Comparison) -> list[dict]:
    """A figure and a table a data set: {"title", "task", "panels", "columns", "rows", "left_out", "names", "seeds"};
    `columns` are (number, label), a row (category, cells)."""
    told, runs = Categories(), [one.run for one in found.runs]

    def columns(task: str) -> list[Column]:
        made = []
        for index, run in enumerate(runs):
            for place in dict.fromkeys((0, len(run.checkpoints) - 1)):
                checkpoint, last = run.checkpoints[place], place == len(run.checkpoints) - 1
                if scores := _scores(told, found.store, task, [(run, checkpoint)]):
                    made.append((index, f"{run.name}, {checkpoint.name}", last, scores))
        return made

    return _pictures(runs, columns)


def study_categories(arms: Mapping[str, Sequence[Run]], answer: StudyAnswer) -> list[dict]:
    """The same for each arm at the end of its runs, over its seeds. Drawn are the first of those that are strong
    elsewhere; the table has all. `arms`: arm -> its runs."""
    told, store = Categories(), ItemStore()
    drawn = set(strong_arms(answer)[:SHOWN])

    def columns(task: str) -> list[Column]:
        made = []
        for number, (arm, members) in enumerate(arms.items()):
            if scores := _scores(told, store, task, [(run, run.last) for run in members]):
                made.append((number, arm, number in drawn, scores))
        return made

    return _pictures([run for members in arms.values() for run in members], columns, seeds=True)


def _scores(
    told: Categories, store: ItemStore, task: str, of: Sequence[tuple[Run, Checkpoint]]
) -> dict[str, CategoryScore]:
    """Empty where one of them has no answers."""
    answers = [store.answers(run, checkpoint, task) for run, checkpoint in of]
    return told.scores(task, answers) if answers and all(one is not None for one in answers) else {}


def _pictures(runs: Sequence[Run], columns: Callable[[str], list[Column]], *, seeds: bool = False) -> list[dict]:
    pictures = []
    for tasks in candidates(runs).values():
        for task in tasks:
            found = columns(task)
            if any(len(scores) > 1 for *_, scores in found):
                title = next(score["title"] for run in runs if (score := run.task_score(task)))
                pictures.append(_picture(task, str(title), found, _chance(runs, task), seeds=seeds))
                break
    return pictures


def candidates(runs: Iterable[Run]) -> dict[str, list[str]]:
    """Data set -> its fine-grained tasks: the finest level first, open answers before closed ones."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for task, score in run.last.tasks.items():
            if score["group"] == "fine_grained" and is_accuracy(score) and CONDITION not in task:
                found.setdefault("/".join(task.split("/")[:2]), {})[task] = None

    def place(task: str) -> tuple[int, int]:
        level, kind = ([*task.split("/"), "", ""])[2:4]
        return (
            -(ORDER.index(level) if level in ORDER else -1),
            KINDS.index(kind) if kind in KINDS else len(KINDS),
        )

    return {data_set: sorted(tasks, key=place) for data_set, tasks in found.items()}


def _chance(runs: Sequence[Run], task: str) -> float | None:
    return next((score.get("chance") for run in runs if (score := run.task_score(task))), None)


def _picture(task: str, title: str, columns: list[Column], chance: float | None, *, seeds: bool) -> dict:
    names = dict.fromkeys(name for *_, scores in columns for name in scores)
    order = sorted(names, key=lambda name: (-_mean(columns, name), name))
    drawn = order if len(order) <= MOST else [*order[: MOST // 2], *order[-MOST // 2 :]]
    shown = [one for one in columns if one[2] or not seeds]
    return {
        "task": task,
        "title": title,
        "panels": [
            _sizes(f"{title}: {said}", shown, part, chance, paired=len(drawn) > FEW)
            for said, part in _parts(drawn, len(order))
        ],
        "columns": [(number, label) for number, label, *_ in columns],
        "drawn": [(number, label) for number, label, last, _ in shown if last],
        "rows": [(name, [scores.get(name) for *_, scores in columns]) for name in order[:MOST_ROWS]],
        "names": len(order),
        "left_out": len(order) - len(drawn),
        "rows_left_out": max(len(order) - MOST_ROWS, 0),
        "seeds": seeds,
    }


def _mean(columns: Sequence[Column], name: str) -> float:
    """By which categories are ranked: over all that ended, so that no run or arm has the order to itself."""
    values = [scores[name].value for _, _, last, scores in columns if last and name in scores]
    return sum(values) / len(values) if values else -1.0


def _parts(names: Sequence[str], count: int) -> list[tuple[str, Sequence[str]]]:
    """(what it shows, categories): two panels side by side, the better ones left, unless there are few."""
    if len(names) <= FEW:
        return [("every category, % right", names)]
    half = -(-len(names) // 2)
    return [
        (f"rank 1 to {half} of {count}, % right", names[:half]),
        (f"rank {count - len(names) + half + 1} to {count}, % right", names[half:]),
    ]


def _sizes(
    title: str, columns: Sequence[Column], names: Sequence[str], chance: float | None, *, paired: bool
) -> dict[str, Figure]:
    lanes = {number: place for place, number in enumerate(dict.fromkeys(number for number, *_ in columns))}
    points = []
    for number, label, last, scores in columns:
        offset = (lanes[number] - (len(lanes) - 1) / 2) * 0.8 / len(lanes)
        for place, name in enumerate(names):
            if one := scores.get(name):
                points += _marks(number, label, -place - offset, one, last=last)
    height = 70 + len(names) * (12 + 9 * (len(lanes) - 1))
    y_range = (0.4 - len(names), 0.6)
    lines = [Line(0, [(chance, y) for y in y_range], "chance", f"chance: {num(chance)}")] if chance is not None else []
    return sizes(
        {"wide": (600 if paired else 1216, height), "narrow": (364, height)},
        title,
        x_range=(0, 100),
        y_range=y_range,
        y_names=[(-place, name) for place, name in enumerate(names)],
        points=sorted(points, key=lambda point: point.kind != "before"),
        lines=lines,
        x_label="% right",
    )


def _marks(number: int, label: str, y: float, one: CategoryScore, *, last: bool) -> list[Point]:
    text = f"{one.name}, {label}: {num(one.value)} ({num(one.low)} to {num(one.high)}), {one.images} images"
    if not last:
        return [Point(number, one.value, y, text, kind="before")]
    seeds = [
        Point(number, value, y, f"{one.name}, {label}, one seed: {num(value)}", kind="before") for value in one.each
    ]
    return [*seeds, Point(number, one.value, y, text, x_low=one.low, x_high=one.high, kind="dot")]
