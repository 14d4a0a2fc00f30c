"""Geometry of the report's figures: values to pixels. templates/figures.html draws them; colours are in report.css.

A figure is made once for wide and once for narrow screens, so that its letters stay readable on both.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .labels import LETTER, LINE, Box, Name, around, at_the_end, shortened

# Unit shapes around (0, 0), one a run, so that runs are told apart without colour.
MARKERS = (
    "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0 -1 0Z",
    "M-.9 -.9H.9V.9H-.9Z",
    "M0 -1.25L1.25 0L0 1.25L-1.25 0Z",
    "M0 -1.2L1.15 .85H-1.15Z",
    "M0 1.2L1.15 -.85H-1.15Z",
    "M-1.1 -.35H-.35V-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1Z",
)
COLOURS = 6  # of lines that are drawn strongly; see strong.py
MOST_RIBBONS = 4


@dataclass(frozen=True)
class Point:
    """A mark at (x, y) in data units, with an optional interval on y and on x."""

    run: int
    x: float
    y: float
    text: str
    large: bool = True
    low: float | None = None
    high: float | None = None
    x_low: float | None = None
    x_high: float | None = None
    label: str = ""
    kind: str = ""  # "dot": one of many; "before": one of many, pale


@dataclass(frozen=True)
class Line:
    """A line through (x, y) in data units; `kind`: mean, task, loss, way, front or chance."""

    run: int
    xy: list[tuple[float, float]]
    kind: str
    text: str


@dataclass(frozen=True)
class Span:
    """A stage of a run on the x axis, or another part of it, which `text` then tells of."""

    run: int
    name: str
    start: float
    end: float
    text: str = ""


@dataclass
class Figure:
    """Everything in pixels, ready to be drawn. `drawn_from`: the same in data units, as `figure` was given it."""

    width: int
    height: int
    title: str
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    lines: list[dict] = field(default_factory=list)
    points: list[dict] = field(default_factory=list)
    ribbons: list[dict] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)
    x_label: str = ""
    y_label: str = ""
    corner: str = ""
    drawn_from: dict = field(default_factory=dict)
    names: list[dict] = field(default_factory=list)  # written beside marks and lines, see labels.py
    to_x: Callable[[float], float] | None = None
    to_y: Callable[[float], float] | None = None

    def around(self, names: list[Name]) -> list[dict]:
        """Names in pixels, each beside its mark and within the axes, where it can on no interval."""
        room = Box(self.left + 2, self.top + (20 if self.corner else 2), self.right, self.bottom - 2)
        bars = [Box(min(x, u), min(y, v), max(x, u), max(y, v)) for p in self.points for x, y, u, v in p["bars"]]
        return around(names, room, bars)


def figure(
    size: tuple[int, int],
    title: str,
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    lines: list[Line] = (),
    points: list[Point] = (),
    spans: list[Span] = (),
    x_names: list[tuple[float, str]] = (),
    y_names: list[tuple[float, str]] = (),
    x_label: str = "",
    y_label: str = "",
    corner: str = "",
    ends: Sequence[Name] = (),
) -> Figure:
    """Lay out one figure of `size` pixels; `spans` become ribbons above the axes and boundaries across them.

    `x_names`, `y_names`: (place, what is written under it, or left of it), in data units, in place of round numbers.
    `ends`: names of lines, written right of the axes at the height where each line ends, in data units; where there are
    many the figure is higher than `size`.
    """
    ribbons = ribbons_of(spans)
    left, top = (56 if y_label else 44), 12 + 19 * len(ribbons)
    width, height = size[0], max(size[1], LINE * len(ends) + top + 50)
    margin = 30 + int(LETTER * max(len(shortened(one.text)) for one in ends)) if ends else 12
    if y_names:
        left = min(width * 0.4, 20 + 6.2 * max(len(name) for _, name in y_names))
    result = Figure(width, height, title, left=left, right=width - margin, top=top, bottom=height - 40)
    result.x_label, result.y_label, result.corner = x_label, y_label, corner
    to_x, to_y = _scale(x_range, result.left, result.right), _scale(y_range, result.bottom, result.top)
    result.to_x, result.to_y = to_x, to_y
    result.x_ticks = [(to_x(v), short(v)) for v in ticks(*x_range, max(3, width // 110))]
    if x_names:
        result.x_ticks = [(to_x(place), name) for place, name in x_names]
    result.y_ticks = [(to_y(v), short(v)) for v in ticks(*y_range, max(3, height // 60))]
    if y_names:
        room = int((result.left - 10) / 6.2)  # letters of 12 px that fit
        result.y_ticks = [(to_y(y), name if len(name) <= room else f"{name[: room - 1]}…") for y, name in y_names]
    for line in lines:
        path = "M" + "L".join(f"{to_x(x):.1f} {to_y(y):.1f}" for x, y in line.xy)
        result.lines.append({"d": path, "kind": line.kind, "run": line.run, "text": line.text})
    for p in points:
        x, y = to_x(p.x), to_y(p.y)
        bars = [(to_x(p.x), to_y(p.low), to_x(p.x), to_y(p.high))] if p.low is not None else []
        bars += [(to_x(p.x_low), y, to_x(p.x_high), y)] if p.x_low is not None else []
        result.points.append(
            {
                "x": x,
                "y": y,
                "size": 3 if p.kind else 5 if p.large else 2.2,
                "class": p.kind or ("large" if p.large else "small"),
                "run": p.run,
                "bars": bars,
                "text": p.text,
            }
        )
    labelled = [Name(p.run, to_x(p.x), to_y(p.y), p.label) for p in points if p.label]
    result.names = result.around(labelled[::-1])
    at = [Name(one.run, to_x(one.x), to_y(one.y), one.text) for one in ends]
    result.names += at_the_end(at, result.right, result.top + 6, result.bottom - 2)
    for row, (owner, own) in enumerate(ribbons):
        for span in own:
            x0, x1 = to_x(span.start), to_x(span.end)
            room = int((x1 - x0 - 6) / 6.6)  # letters of 11 px that fit
            name = span.name if len(span.name) <= room else span.name[: room - 1] + "…" if room >= 3 else ""
            text = span.text or f"stage {span.name}, from sample {span.start:,.0f} to {span.end:,.0f}"
            result.ribbons.append(
                {"x": x0 + 0.75, "width": max(x1 - x0 - 1.5, 1), "y": 4 + 19 * row, "name": name}
                | {"text": text, "run": owner}
            )
    inner = {round(to_x(span.start), 1) for _, own in ribbons for span in own if span.start > x_range[0]}
    result.boundaries = sorted(inner)
    ranges = {"x_range": x_range, "y_range": y_range, "x_names": list(x_names), "y_names": list(y_names)}
    result.drawn_from = {**ranges, "lines": list(lines), "points": list(points), "spans": list(spans)}
    return result


def ribbons_of(spans: list[Span]) -> list[tuple[int, list[Span]]]:
    """(run, its spans) a ribbon; runs with the same stages share one, which is nobody's (-1). None where there were
    more than MOST_RIBBONS: they would leave no room for what they stand above."""
    by_run: dict[int, list[Span]] = {}
    for span in spans:
        by_run.setdefault(span.run, []).append(span)
    alike: dict[tuple, list[int]] = {}
    for run, own in sorted(by_run.items()):
        alike.setdefault(tuple((one.name, one.start, one.end) for one in own), []).append(run)
    if len(alike) > MOST_RIBBONS:
        return []
    return [(runs[0] if len(runs) == 1 else -1, by_run[runs[0]]) for runs in alike.values()]


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers within [low, high], about `count` of them."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """4000 -> 4k, 1200000 -> 1.2M, with a true minus sign."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{letter}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def _scale(values: tuple[float, float], start: float, end: float):
    low, high = values
    return lambda value: start + (value - low) / ((high - low) or 1) * (end - start)
