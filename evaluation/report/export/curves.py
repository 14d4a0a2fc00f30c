"""The report's figures with two axes, drawn for paper from the data they were made of."""

from typing import Any

from ..figures import Figure, Line, Point, Span, ribbons_of, short
from ..text import visible
from .rows import shortened
from .style import FAINT, HEIGHT, INK, SOFT, Series, legend, new_axes

LINES: dict[str, dict[str, Any]] = {
    "mean": {"linewidth": 1.6, "zorder": 3},
    "task": {"linewidth": 0.6, "alpha": 0.4},
    "arm": {"linewidth": 1.2, "zorder": 3},
    "seed": {"linewidth": 0.4, "alpha": 0.3},
    "loss": {"linewidth": 0.9},
    "way": {"linewidth": 0.7, "linestyle": (0, (4, 2)), "alpha": 0.7},
    "front": {"linewidth": 0.8, "color": INK, "alpha": 0.6},
    "chance": {"linewidth": 0.8, "color": SOFT, "linestyle": (0, (2, 2))},
}
RIBBON, NAMED = 0.07, 6  # height in parts of the axes'; names that have room beside their marks
TALLEST = 9.0  # inches: a page
PLACES = ((5, 4, "left"), (-5, 4, "right"), (5, -9, "left"), (-5, -9, "right"), (5, 12, "left"), (-5, 12, "right"),
          (5, -17, "left"), (-5, -17, "right"))  # fmt: skip


def draw_curves(figure: Figure, series: Series) -> Any:
    """A matplotlib figure. A few marks with a name of their own have it beside them instead of in the legend; many do
    where a run has several."""
    data = figure.drawn_from
    height = HEIGHT if not data["y_names"] else min(figure.height / 72 * 0.8, TALLEST)
    made, axes = new_axes(height=height + 0.12 * len(ribbons_of(data["spans"])))
    axes.set_xlim(*data["x_range"])
    axes.set_ylim(*data["y_range"])
    axes.grid(axis="x" if data["y_names"] else "y")
    for line in data["lines"]:
        _line(axes, line, series)
    for point in data["points"]:
        _point(axes, point, series)
    ribbons = _ribbons(axes, data["spans"], data["x_range"], series)
    if data["x_names"]:
        axes.set_xticks([place for place, _ in data["x_names"]], [str(visible(name)) for _, name in data["x_names"]])
    else:
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
    if data["y_names"]:
        axes.set_yticks([place for place, _ in data["y_names"]], [shortened(name) for _, name in data["y_names"]])
        axes.tick_params(axis="y", length=0)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.set_title(figure.title, pad=4 + 9 * ribbons)
    if figure.corner:
        axes.annotate(f"↖ {figure.corner}", (0, 1), (4, -9), xycoords="axes fraction", textcoords="offset points",
                      color="#0b7a5f", weight="bold")  # fmt: skip
    labelled = [point for point in data["points"] if point.label]
    of_runs = (one for one in (*data["points"], *data["lines"]) if one.kind not in ("chance", "front"))
    shown = {one.run for one in of_runs}
    beside = labelled if len(labelled) <= NAMED or len({point.run for point in labelled}) < len(labelled) else []
    legend(made, series, shown - {point.run for point in beside})
    if beside:
        made.canvas.draw()
        _names(made, axes, beside, series)
    return made


def _line(axes: Any, line: Line, series: Series) -> None:
    look = series.look(line.run)
    if line.kind == "seed" and not look.strong:
        return
    x, y = zip(*line.xy, strict=True)
    faint = {} if look.strong or line.run < 0 else {"linewidth": 0.7, "zorder": 2}
    axes.plot(x, y, **({"color": look.colour} | LINES.get(line.kind, {}) | faint))


def _point(axes: Any, point: Point, series: Series) -> None:
    look = series.look(point.run)
    own = look.colour
    bars = {}
    for key, value, low, high in (
        ("yerr", point.y, point.low, point.high),
        ("xerr", point.x, point.x_low, point.x_high),
    ):
        if low is not None and high is not None:
            bars[key] = [[max(value - low, 0)], [max(high - value, 0)]]
    over = 1 if look.strong else 0
    if bars:
        axes.errorbar(point.x, point.y, **bars, color=own, linewidth=0.8, zorder=3 + over, clip_on=False)
    size = 3 if point.kind else 4.5 if point.large else 2
    axes.plot(
        point.x, point.y, look.marker, color=own, markersize=size, markeredgecolor="white", markeredgewidth=0.3,
        alpha=0.42 if point.kind == "before" else 1, zorder=4 + over, clip_on=False,
    )  # fmt: skip


def _ribbons(axes: Any, spans: list[Span], x_range: tuple[float, float], series: Series) -> int:
    """The stages above the axes as the page has them, and where one begins as a dashed line; returns how many
    ribbons."""
    from matplotlib.patches import Rectangle

    ribbons = ribbons_of(spans)
    across = axes.get_xaxis_transform()
    for row, owner, span in ((row, owner, span) for row, (owner, own) in enumerate(ribbons) for span in own):
        bottom, width = 1.02 + RIBBON * row, span.end - span.start
        box = Rectangle((span.start, bottom), width, RIBBON * 0.85, transform=across, clip_on=False, alpha=0.18)
        box.set_facecolor(series.look(owner).colour if owner >= 0 else SOFT)
        axes.add_patch(box)
        room = int(width / (x_range[1] - x_range[0]) * 85)  # letters that fit
        name = str(visible(span.name))
        if len(name) > room:
            name = name[: room - 1] + "…" if room >= 3 else ""
        axes.text(
            span.start + width / 2, bottom + RIBBON * 0.4, name, transform=across, ha="center", va="center", size=6
        )
        if span.start > x_range[0]:
            axes.axvline(span.start, color=FAINT, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
    return len(ribbons)


def _names(figure: Any, axes: Any, points: list[Point], series: Series) -> None:
    """Names beside their marks, each where it lies on no other name or mark, as far as there is such a place."""
    from matplotlib.transforms import Bbox

    renderer, taken = figure.canvas.get_renderer(), []
    for point in points:
        x, y = axes.transData.transform((point.x, point.y))
        taken.append(Bbox.from_extents(x - 5, y - 5, x + 5, y + 5))
    inside = axes.get_window_extent(renderer).padded(12)
    for point in sorted(points, key=lambda one: -one.y):
        best = None
        about = {"xy": (point.x, point.y), "textcoords": "offset points", "size": 6.5, "weight": "bold", "zorder": 6}
        about |= {"text": str(visible(point.label)), "color": series.look(point.run).colour}
        for dx, dy, side in PLACES:
            text = axes.annotate(xytext=(dx, dy), ha=side, **about)
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            hits = sum(box.overlaps(other) for other in taken)
            hits += 3 * (box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1)
            text.remove()
            if best is None or hits < best[0]:
                best = hits, (dx, dy, side), box
        dx, dy, side = best[1]
        axes.annotate(xytext=(dx, dy), ha=side, **about).set_in_layout(False)
        taken.append(best[2])
