"""How often a category's name stands in the training data, against how well the category is recognised.

FG-BMK found fine-grained names almost absent from an LVLM's training data and put the bias between categories down to
the language model (section 4.2). `python -m data_builders name_counts --out BUILT_ROOT` counts; a run whose recipe has
that built_root shows the counts against the accuracy of each category, with the rank correlation (Spearman) and its
95 % interval over categories.
"""

import json
import math
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from data_builders.shared.seeding import draw

from ..compare import Comparison
from ..ledger import Run, known
from .bias import ranked_categories
from .curves import sizes
from .figures import Figure, Point, short
from .papers import first_and_last
from .text import num

RESAMPLES = 1_999
FEW = 10  # categories; of fewer a resampled interval says nothing


def name_frequency_figures(found: Comparison) -> list[dict]:
    """A figure a task with scores by category and training set counted: {"sizes", "said", "correlations"}."""
    tasks: dict[str, dict[str, dict]] = {}  # task -> training set -> category -> rows
    about: dict[tuple[str, str], str] = {}
    for result in found.runs:
        for task in result.run.last.tasks:
            counts = counts_of(result.run, task) if ranked_categories(result.run.last, task) else None
            for name, facts in (counts or {}).get("data", {}).items():
                tasks.setdefault(task, {})[name] = {
                    label: one[name]["rows"] for label, one in counts["categories"].items() if name in one
                }
                about[task, name] = f"{facts['rows_naming_any']:,} of {facts['rows']:,} rows name one"
    figures = [
        _figure(found, task, name, rows, about[task, name])
        for task, sets in tasks.items()
        for name, rows in sets.items()
    ]
    return [one for one in figures if one["correlations"]]


def counts_of(run: Run, task: str) -> dict | None:
    """What name_counts wrote of the task's data set; None where there is none, or it is not of its shape."""
    root, parts = run.recipe.get("built_root"), task.split("/")
    if not isinstance(root, str) or len(parts) < 2:
        return None
    try:
        counts = json.loads((Path(root) / "name_counts" / f"{parts[1]}.json").read_text(encoding="utf-8"))
        for name, facts in counts["data"].items():
            facts["rows"] + facts["rows_naming_any"] + sum(one[name]["rows"] for one in counts["categories"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return counts


def _figure(found: Comparison, task: str, name: str, rows: dict[str, int], said: str) -> dict:
    points, correlations, title = [], [], task
    for column in first_and_last(found):
        run, checkpoint = column["run"], column["checkpoint"]
        shown = [one for one in ranked_categories(checkpoint, task) if str(one["name"]) in rows]
        if len(shown) < 3:
            continue
        title = str(checkpoint.tasks[task]["title"])
        counts, values = [rows[str(one["name"])] for one in shown], [one["value"] for one in shown]
        last = not column["first"] or len(run.checkpoints) == 1
        for count, one in zip(counts, shown, strict=True):
            text = f"{one['name']}, {checkpoint.name}: named in {count:,} rows, {num(one['value'])} "
            text += f"({num(one.get('low'))} to {num(one.get('high'))}), n = {one.get('n')}"
            points.append(
                Point(column["index"], math.log10(1 + count), one["value"], text, kind="dot" if last else "before")
            )
        correlations.append({**column, **rank_correlation(counts, values, (task, name, checkpoint.name))})
    named = sum(1 for count in rows.values() if count)
    return {
        "sizes": _sizes(f"{title}: accuracy of a category against the rows of {name} that name it, %", points, rows),
        "said": f"{named:,} of {len(rows):,} categories are named in {name} ({said})",
        "correlations": correlations,
    }


def _sizes(title: str, points: list[Point], rows: dict[str, int]) -> dict[str, Figure]:
    most = max([1, *rows.values()])
    marks = [0, *(10**power for power in range(math.ceil(math.log10(most + 1)) + 1) if 10**power <= most)]
    return sizes(
        {"wide": (600, 320), "narrow": (364, 260)},
        title,
        x_range=(-0.05, math.log10(1 + most) + 0.05),
        y_range=(0, 100),
        points=points,
        x_names=[(math.log10(1 + mark), short(mark)) for mark in marks],
        x_label="rows with the category's name (logarithmic)",
    )


def rank_correlation(counts: list[int], values: list[float], address: tuple) -> dict:
    """Spearman's rho with its 95 % interval over categories: {"rho", "low", "high", "n"}. rho is None where all counts
    or all values are equal, so that nothing has a rank; the interval is None for a few categories."""
    pairs = np.stack([np.asarray(counts, float), np.asarray(values, float)])
    rho = _rho(pairs[:, None, :])[0]
    if not known(float(rho)) or len(counts) < FEW:
        return {"rho": float(rho) if known(float(rho)) else None, "low": None, "high": None, "n": len(counts)}
    chosen = draw("name_frequency", *address).integers(0, len(counts), (RESAMPLES, len(counts)))
    drawn = _rho(pairs[:, chosen])
    low, high = np.quantile(drawn[np.isfinite(drawn)], (0.025, 0.975))
    return {"rho": float(rho), "low": float(low), "high": float(high), "n": len(counts)}


def _rho(pairs_2BC: np.ndarray) -> np.ndarray:
    """Spearman's rho of each of B samples of C categories; NaN where one side is constant."""
    x, y = (rankdata(side, axis=-1) for side in pairs_2BC)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
