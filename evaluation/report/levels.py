"""FG-BMK's Figures 2 and 11: accuracy from the coarsest level to the finest, for each kind of question."""

from ..compare import Comparison
from ..ledger import Checkpoint, known, primary
from .curves import sizes
from .figures import Figure, Line, Point
from .line_names import line_ends, own_ends
from .papers import first_and_last, tasks_in
from .text import num

KINDS = {"true_false": "true/false", "choice": "choice", "short_answer": "short answer"}
# Names of levels as sources have them, coarse to fine; others follow in the order in which they come.
COARSE = ("kingdom", "phylum", "class", "order", "type", "group", "superclass", "make", "manufacturer", "family")
ORDER = (*COARSE, "genus", "category", "variant", "species")


def level_figures(found: Comparison) -> list[dict[str, Figure]]:
    """A panel a data set and kind of question that was asked at two levels or more: each run where it began (thin) and
    where it ended (strong, with intervals), and the chance level."""
    levels: dict[tuple[str, str], dict[str, str]] = {}
    for task in tasks_in(found):
        parts = task.split("/")
        if parts[0] == "fgbmk" and len(parts) == 4 and parts[3] in KINDS:
            levels.setdefault((parts[1], parts[3]), {})[parts[2]] = task
    return [_panel(found, *key, in_order(tasks)) for key, tasks in sorted(levels.items()) if len(tasks) > 1]


def in_order(tasks: dict[str, str]) -> dict[str, str]:
    return {
        name: tasks[name] for name in sorted(tasks, key=lambda one: ORDER.index(one) if one in ORDER else len(ORDER))
    }


def _panel(found: Comparison, dataset: str, kind: str, tasks: dict[str, str]) -> dict[str, Figure]:
    lines, points = [], []
    for column in first_and_last(found):
        run, checkpoint, last = column["run"], column["checkpoint"], not column["first"]
        last = last or len(run.checkpoints) == 1
        marks = [
            (x, name, checkpoint.tasks[task]) for x, (name, task) in enumerate(tasks.items()) if _has(checkpoint, task)
        ]
        lines.append(
            Line(column["index"], [(x, primary(one)["value"]) for x, _, one in marks], "mean" if last else "task",
                 f"{run.name}, {checkpoint.name}" if len(found.runs) > 1 else checkpoint.name)
        )  # fmt: skip
        for x, name, score in marks:
            one = primary(score)
            text = f"{run.name}, {checkpoint.name}, {name}: {num(one['value'])} ({num(one.get('low'))} to "
            text += f"{num(one.get('high'))}), n = {one.get('n')}, {one['rule']}"
            ends = {"low": one.get("low"), "high": one.get("high")} if last else {}
            points.append(Point(column["index"], x, one["value"], text, large=last, **ends))
    ends = line_ends(found, lines) if len(found.runs) > 1 else own_ends(lines)
    if chance := chances(found, tasks):
        lines.insert(0, Line(0, chance, "chance", "chance: " + ", ".join(num(y) for _, y in chance)))
    return sizes(
        {"wide": (600, 300), "narrow": (364, 260)},
        f"{dataset}, {KINDS[kind]} questions: accuracy by level, %",
        x_range=(-0.3, len(tasks) - 0.7),
        y_range=(0, 100),
        lines=[line for line in lines if len(line.xy) > 1],
        points=sorted(points, key=lambda point: point.large),
        x_names=list(enumerate(tasks)),
        x_label="level, coarse to fine",
        ends=ends,
    )


def _has(checkpoint: Checkpoint, task: str) -> bool:
    return task in checkpoint.tasks and known(primary(checkpoint.tasks[task])["value"])


def chances(found: Comparison, tasks: dict[str, str]) -> list[tuple[float, float]]:
    """(place of the level, its chance level), where the scores tell it."""
    result = []
    for x, task in enumerate(tasks.values()):
        scores = [one.run.task_score(task) for one in found.runs]
        levels = [score["chance"] for score in scores if score and known(score.get("chance"))]
        result += [(float(x), float(levels[0]))] if levels else []
    return result
