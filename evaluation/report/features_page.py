"""The page of many models' features: tables models x data sets, critical-distance diagrams, one meta-class beside many
(FG-BMK's Figure 8), and the scores by loss type, data size and encoder size (what Figures 4, 5, 7 and 9 are read for).
"""

import base64
import math
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.files import atomic_write

from ..features.factors import FACTORS, LevelScore, by_factor, families
from ..features.models_table import FEWEST, Matrix, ModelScores, matrices, read_many, read_models
from ..features.training_facts import trained_as
from .curves import sizes
from .figures import Figure, Line, Point
from .friedman_diagram import diagram
from .page import Page
from .text import num

WIDE = {"wide": (600, 340), "narrow": (364, 280)}


def write_features_report(folder: Path, path: Path) -> None:
    """Write the page of the models that were measured in `folder`, whole or not at all."""
    with atomic_write(Path(path)) as file:
        file.write(features_page(folder).html())


def features_page(folder: Path) -> Page:
    """The page of all models that `features --models` measured (or failed to) with --out `folder`.

    UserError: there is no list of them.
    """
    known = read_many(folder)
    models = read_models(known.folders)
    shown = {
        "data_sets": list(known.data_sets),
        "failed": known.failed,
        "facts": [(one, trained_as(one.name)) for one in models],
        "fewest": FEWEST,
        "measures": [measure_content(one) for one in matrices(models, known.data_sets)],
        "single": single_and_multiple(models),
    }
    return Page("features.html", shown)


def measure_content(matrix: Matrix) -> dict:
    """One measure's table, its diagram where there are enough models, and its factors."""
    ranks = matrix.ranked()
    picture = ranks and "data:image/svg+xml;base64," + base64.b64encode(diagram(ranks).encode()).decode()
    factors = [(factor, by_factor(matrix, factor)) for factor in FACTORS]
    return {
        "matrix": matrix,
        "rows": list(zip(matrix.models, matrix.cells, matrix.means(), strict=True)),
        "ranks": ranks,
        "picture": picture,
        "missing": matrix.missing(),
        "factors": [
            {"factor": factor, "levels": levels, "figure": level_figure(f"{matrix.title} {factor.title}", levels)}
            for factor, levels in factors
            if levels
        ],
        "sizes": size_figure(matrix),
    }


def level_figure(title: str, levels: Sequence[LevelScore]) -> dict[str, Figure]:
    """A mark a model over its level, a dash at the level's mean."""
    values = [value for level in levels for value in level.models.values()]
    points, lines = [], []
    for x, level in enumerate(levels):
        for name, value in level.models.items():
            points.append(Point(0, x, value, f"{name}: {num(value)}"))
        text = f"{level.level}: mean {num(level.mean)} of {len(level.models)} models"
        lines.append(Line(0, [(x - 0.25, level.mean), (x + 0.25, level.mean)], "mean", text))
    ends = (-0.5, len(levels) - 0.5)
    names = list(enumerate(f"{level.level} ({len(level.models)})" for level in levels))
    return sizes(WIDE, title, x_range=ends, y_range=around(values), points=points, lines=lines, x_names=names)


def size_figure(matrix: Matrix) -> dict[str, Figure]:
    """Mean over data sets against the encoder's parameters, sizes of one family joined; empty with fewer than two."""
    pairs = zip(matrix.models, matrix.means(), strict=True)
    place = {one.name: (math.log10(one.parameters), mean) for one, mean in pairs if one.parameters and mean is not None}
    if len(place) < 2:
        return {}
    names = {one.name: one for one in matrix.models}
    points = [
        Point(0, x, y, f"{name}, {names[name].parameters:,} parameters: {num(y)}", label=name)
        for name, (x, y) in place.items()
    ]
    joined = {
        family: [place[name] for name in some if name in place] for family, some in families(matrix.models).items()
    }
    lines = [Line(0, some, "mean", family) for family, some in joined.items() if len(some) > 1]
    logs = [x for x, _ in place.values()]
    ends = (min(logs) - 0.15, max(logs) + 0.15)
    title, label = f"{matrix.title} by size of the encoder", "parameters"
    values = [y for _, y in place.values()]
    ticks = (power + math.log10(step) for power in range(3, 12) for step in (1, 3))
    names = [(x, _parameters(10**x)) for x in ticks if ends[0] <= x <= ends[1]]
    return sizes(
        WIDE, title, x_range=ends, y_range=around(values), points=points, lines=lines, x_names=names, x_label=label
    )


def single_and_multiple(models: Sequence[ModelScores]) -> dict | None:
    """A row a union of data sets, data set and model: one head a data set, one head over all; None: not measured."""
    rows = []
    for model in models:
        for task, score in model.tasks.items():
            if not task.endswith("/meta_class"):
                continue
            found: dict[str, dict[str, dict]] = {}
            for one in score["scores"]:
                found.setdefault(one["metric"].removeprefix("top-1 on "), {})[one["rule"]] = one
            rows += [
                {"union": task.split("/")[1], "data": data, "model": model.name, **rules}
                for data, rules in found.items()
                if {"single", "multiple"} <= set(rules)
            ]
    if not rows:
        return None
    return {"rows": sorted(rows, key=lambda row: (row["union"], row["data"])), "figure": drop_figure(rows)}


def drop_figure(rows: Sequence[dict]) -> dict[str, Figure]:
    """Each model's mean over data sets, one head a data set at the left, one head over all at the right."""
    ends: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        ends.setdefault(row["model"], []).append((row["single"]["value"], row["multiple"]["value"]))
    means = {name: [sum(pair[side] for pair in some) / len(some) for side in (0, 1)] for name, some in ends.items()}
    points = [
        Point(number, side, value, f"{name}, {('single', 'multiple')[side]}: {num(value)}", label=name if side else "")
        for number, (name, some) in enumerate(means.items())
        for side, value in enumerate(some)
    ]
    lines = [Line(number, list(enumerate(some)), "mean", name) for number, (name, some) in enumerate(means.items())]
    x_range, values = (-0.2, 1.4), [value for some in means.values() for value in some]
    return sizes(
        WIDE, "Single and multiple meta-classes", x_range=x_range, y_range=around(values), points=points, lines=lines,
        x_names=list(enumerate(("single", "multiple"))),
    )  # fmt: skip


def around(values: Sequence[float]) -> tuple[float, float]:
    """An axis of percents with room about the values."""
    room = max(2.0, 0.1 * (max(values) - min(values)))
    return max(0.0, min(values) - room), min(100.0, max(values) + room)


def _parameters(count: float) -> str:
    return f"{count / 1e9:.1g}B" if count >= 1e9 else f"{count / 1e6:.3g}M"
