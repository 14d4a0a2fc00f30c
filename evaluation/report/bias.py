"""FG-BMK's bias over categories (Figures 3, 12 and 13): the accuracy of each category before and after training."""

from data_builders.sources import same_name

from ..compare import Comparison
from ..held_out.sides import SEEN, UNSEEN, Sides
from ..ledger import Checkpoint, Run, known, primary
from .figures import Figure, Line, Point, Span, figure
from .papers import groups_of
from .text import num

BIAS = "category"


def ranked_categories(checkpoint: Checkpoint, task: str) -> list[dict]:
    return [one for one in groups_of(checkpoint, task) if one["by"] == BIAS and known(one.get("value"))]


def bias_figures(found: Comparison) -> list[dict]:
    """FG-BMK's Figure 3 for each run and task: categories ranked where the run began, and where they stand at its end.

    Where categories are held out, those stand apart, each side ranked by itself, as in Figures 12 and 13 the data sets.
    {"index", "run", "title", "sizes", "facts": [(checkpoint, [score])], "names": checkpoints}
    """
    figures = []
    for index, result in enumerate(found.runs):
        for task, score in result.run.last.tasks.items():
            if task.endswith("knowledge_bias"):
                points, sides = _points(result.run, task, index)
                if points:
                    figures.append(
                        {
                            "index": index,
                            "run": result.run,
                            "title": str(score["title"]),
                            "sizes": ranked_sizes(points, score.get("chance"), sides),
                            "facts": _facts(result.run, task),
                            "names": [c.name for c in _ends(result.run)],
                        }
                    )
    return figures


def _ends(run: Run) -> list[Checkpoint]:
    return [run.checkpoints[0], run.last] if len(run.checkpoints) > 1 else [run.last]


def _points(run: Run, task: str, index: int) -> tuple[list[Point], list[Span]]:
    """A mark a category and end of the run; and where seen and unseen categories stand on the axis."""
    ends, held_out = _ends(run), run.sides.get(task)
    first = ranked_categories(ends[0], task)
    sides = {str(one["name"]): side_of(str(one["name"]), held_out) for one in first}
    ranked = sorted(first, key=lambda one: (sides[str(one["name"])], -one["value"], str(one["name"])))
    order = {str(one["name"]): place for place, one in enumerate(ranked, 1)}
    points = []
    for number, checkpoint in enumerate(ends):
        for one in ranked_categories(checkpoint, task):
            if (place := order.get(str(one["name"]))) is not None:
                text = f"{one['name']}, {checkpoint.name}: {num(one['value'])} ({num(one.get('low'))} to "
                text += f"{num(one.get('high'))}), n = {one.get('n')}, rank {place} at {ends[0].name}"
                text += f", {sides[str(one['name'])]}" if held_out else ""
                # Where the run began is drawn pale and small, its end in the run's colour.
                points.append(
                    Point(index, place, one["value"], text, kind="before" if number < len(ends) - 1 else "dot")
                )
    spans, start = [], 0.5
    for side in (SEEN, UNSEEN) if held_out else ():
        count = list(sides.values()).count(side)
        if count:
            text = f"{count} categories {side} in training"
            spans.append(Span(index, f"{side} categories", start, start + count, text))
        start += count
    return points, spans


def side_of(category: str, held_out: Sides | None) -> str:
    return UNSEEN if held_out is not None and same_name(category) in held_out.names else SEEN


def ranked_sizes(points: list[Point], chance: float | None, sides: list[Span] = ()) -> dict[str, Figure]:
    """Accuracy of categories over their rank, with the level of guessing where it is known."""
    end = max(point.x for point in points)
    guessed = (
        [Line(0, [(0.5, chance), (end + 0.5, chance)], "chance", f"chance: {num(chance)}")] if known(chance) else []
    )
    return {
        name: figure(
            size, "accuracy of every category, %", x_range=(0.5, end + 0.5), y_range=(0, 100), points=points,
            lines=guessed, spans=sides, x_label="category, ranked where the run began",
        )
        for name, size in {"wide": (600, 320), "narrow": (364, 260)}.items()
    }  # fmt: skip


def _facts(run: Run, task: str) -> list[tuple[str, list[dict]]]:
    wanted = ("mean_of_category", "worst_category", "best_category", "spread_of_category")
    facts = []
    for checkpoint in _ends(run):
        if task in checkpoint.tasks:
            score = checkpoint.tasks[task]
            chosen = [primary(score)] + [s for s in score["scores"] if s.get("metric") in wanted]
            facts.append((checkpoint.name, [s for s in chosen if known(s.get("value"))]))
    return facts
