"""Figures whose rows have names: values with intervals (what each task forgot, contrasts, categories), and shares of a
whole (what became of each question)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..text import visible
from .style import FAINT, INK, WIDTH, Series, legend, new_axes

ROW, APART, EDGES = 0.17, 0.12, 0.75  # inches: a row, the room for each further mark in it, what is no row
LETTERS = 44  # of a row's name


@dataclass(frozen=True)
class Mark:
    """A value with its 95 % interval, of one run or arm. `pale`: where it began, or one seed."""

    run: int
    value: float
    low: float | None = None
    high: float | None = None
    pale: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    marks: tuple[Mark, ...]


def draw_rows(
    rows: Sequence[Row],
    title: str,
    x_label: str,
    series: Series,
    x_range: tuple[float, float] | None = None,
    line_at: float | None = None,
) -> Any:
    """Rows from the top down; marks of a row one below the other by run. `line_at`: zero, or the chance level."""
    lanes = {run: place for place, run in enumerate(dict.fromkeys(mark.run for row in rows for mark in row.marks))}
    step = max(ROW + APART * (max(len(lanes), 1) - 1), 0.27 if any("\n" in row.name for row in rows) else 0)
    made, axes = new_axes(WIDTH, EDGES + step * len(rows))
    axes.grid(axis="x")
    if line_at is not None:
        axes.axvline(line_at, color=INK, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
    for place, row in enumerate(rows):
        for mark in row.marks:
            offset = (lanes[mark.run] - (len(lanes) - 1) / 2) * APART / step
            _mark(axes, mark, place + offset, series)
    axes.set_yticks(range(len(rows)), [shortened(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    if x_range:
        axes.set_xlim(*x_range)
    axes.set_xlabel(x_label)
    axes.set_title(title)
    legend(made, series, lanes if len(lanes) > 1 else ())
    return made


def _mark(axes: Any, mark: Mark, y: float, series: Series) -> None:
    look = series.look(mark.run)
    own = look.colour
    if mark.low is not None and mark.high is not None:
        axes.plot([mark.low, mark.high], [y, y], color=own, linewidth=0.9, alpha=0.4 if mark.pale else 1, zorder=2)
    axes.plot(
        mark.value, y, look.marker, color=own, markersize=2.6 if mark.pale else 4, alpha=0.4 if mark.pale else 1,
        markeredgecolor="white", markeredgewidth=0.3, zorder=3, clip_on=False,
    )  # fmt: skip


def draw_shares(bars: Sequence[tuple[str, dict[str, int]]], title: str, x_label: str, colours: dict[str, str]) -> Any:
    """A bar a row, each part of it labelled with its count where that fits; `colours`: part -> colour, in order."""
    from matplotlib.patches import Patch

    made, axes = new_axes(WIDTH, EDGES + 0.24 * len(bars) + 0.2)
    for place, (_, parts) in enumerate(bars):
        total, left = sum(parts.values()) or 1, 0.0
        for name, tint in colours.items():
            share = 100 * parts.get(name, 0) / total
            axes.barh(place, share, left=left, color=tint, height=0.72, edgecolor="white", linewidth=0.4)
            if share > 6:
                axes.text(left + share / 2, place, f"{parts[name]:,}", ha="center", va="center", size=6, color=on(tint))
            left += share
    axes.set_yticks(range(len(bars)), [shortened(name) for name, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 100)
    axes.spines["left"].set_color(FAINT)
    axes.set_xlabel(x_label)
    axes.set_title(title)
    there = [name for name in colours if any(parts.get(name) for _, parts in bars)]
    handles = [Patch(color=colours[name], label=name) for name in there]
    made.legend(handles=handles, loc="outside lower center", ncols=max(len(handles), 1), fontsize=7)
    return made


def on(tint: str) -> str:
    """White on a dark colour, ink on a light one."""
    red, green, blue = (int(tint[place : place + 2], 16) for place in (1, 3, 5))
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 130 else INK


def shortened(name: str) -> str:
    text = str(visible(name))
    if "\n" in text:
        return "\n".join(map(shortened, text.split("\n")))
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
