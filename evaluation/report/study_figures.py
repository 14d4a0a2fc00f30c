"""The pictures of a study: gain against forgetting, and how the arms got there, every arm named beside its mark."""

from collections.abc import Collection, Sequence
from itertools import pairwise

from ..study import ParetoPlace, StudyAnswer
from ..study.over_run import OverRun
from ..study.words import number
from .figures import COLOURS, Figure, Line, Point, Span, figure
from .labels import LONGEST, NARROW, Name, shared_beginning, short_names, shortened

MANY = 12  # arms; with more, pictures are higher
MOST_NAMED = 8  # checkpoints that have room for their names above a curve


def pareto_figure(answer: StudyAnswer, strong: Sequence[int]) -> dict[str, Figure]:
    """Fine-grained score against forgetting, an arm a mark (or each share of a merge at several) with both intervals;
    empty where one is not measured."""
    places = answer.pareto
    if not places:
        return {}
    numbers = {one.arm: place for place, one in enumerate(answer.arms)}
    ranks = {one.arm: rank for rank, one in enumerate(answer.ranked(), 1)}
    owner = {one.arm: arm_of(one.arm, list(numbers)) for one in places}
    # What is drawn last lies above the rest.
    places = sorted(places, key=lambda one: numbers[owner[one.arm]] in strong)
    front = sorted((one.forgetting.value, one.fine_grained.value) for one in places if one.on_front)
    steps = [xy for a, b in pairwise(front) for xy in (a, (b[0], a[1]))] + front[-1:]
    points = [
        Point(
            numbers[owner[one.arm]], one.forgetting.value, one.fine_grained.value, place_words(one),
            low=one.fine_grained.low, high=one.fine_grained.high,
            x_low=one.forgetting.low, x_high=one.forgetting.high, label=one.arm,
        )
        for one in places
    ]  # fmt: skip
    right = max(2.0, *(one.x_high for one in points)) * 1.05
    left = min(one.x_low for one in points)
    left = max(0.0, left - 0.1 * (right - left)) if left > 0.4 * right else 0.0
    low, high = min(one.low for one in points), max(one.high for one in points)
    room = max(2.0, 0.08 * (high - low))
    found = {}
    for size, pixels in {"wide": (1216, 620 if len(places) > MANY else 440), "narrow": (364, 400)}.items():
        made = figure(
            pixels,
            "Fine-grained score against forgetting",
            x_range=(left, right),
            y_range=(max(0.0, low - room), min(100.0, high + room)),
            points=points,
            lines=[Line(-1, steps, "front", "not bettered by any other arm")] if len(front) > 1 else [],
            x_label="forgotten on general tasks, points (less is better)",
            y_label="fine-grained tasks, % right",
            corner="better",
        )
        names = [
            Name(point.run, place["x"], place["y"], named(one.arm, owner[one.arm], ranks, short=size == "narrow"))
            for one, point, place in zip(places, points, made.points, strict=True)
        ]
        made.names = made.around(names[::-1])
        found[size] = made
    return found


def arm_of(name: str, arms: Sequence[str]) -> str:
    """`name` may be that of one share of the arm's merge: `arm share`."""
    return max((arm for arm in arms if f"{name} ".startswith(f"{arm} ")), key=len)


def named(name: str, arm: str, ranks: dict[str, int], *, short: bool) -> str:
    """What stands beside a mark: its name, led by the arm's rank in the table where there are many; on narrow screens
    the rank alone (and the share of a merge)."""
    if short and numbered(ranks):
        return f"{ranks[arm]}{name.removeprefix(arm)}"
    if short:
        return f"{shortened(arm, NARROW)}{name.removeprefix(arm)}"
    if len(name) > LONGEST - 3:  # what tells long names apart should not be what is cut
        name = name.removeprefix(shared_beginning(list(ranks)))
    return f"{ranks[arm]} {shortened(name, LONGEST - 3)}" if len(ranks) > COLOURS else name


def numbered(arms: Collection[str]) -> bool:
    """Whether narrow screens show ranks in place of names: of many arms, or names that would be cut to the same."""
    return len(arms) > COLOURS or short_names(list(arms)) is None


def place_words(one: ParetoPlace) -> str:
    def ends(of) -> str:
        return f"{number(of.value)} ({number(of.low)} to {number(of.high)})"

    return (
        f"{one.arm}: fine-grained {ends(one.fine_grained)}, forgot {ends(one.forgetting)} points; "
        + ("not bettered" if one.on_front else f"bettered by {', '.join(one.bettered_by)}")
        + (", within noise" if one.within_noise else "")
    )


def curve_figures(answer: StudyAnswer, strong: Sequence[int]) -> list[dict[str, Figure]]:
    """A figure a group of tasks: the mean over seeds of every arm, thin lines for the seeds of those drawn strongly."""
    return [curve_figure(one, answer, strong) for one in answer.over_run]


def curve_figure(one: OverRun, answer: StudyAnswer, strong: Sequence[int]) -> dict[str, Figure]:
    numbers = {arm.arm: place for place, arm in enumerate(answer.arms)}
    ranks = {arm.arm: rank for rank, arm in enumerate(answer.ranked(), 1)}
    curves = sorted(one.curves, key=lambda curve: numbers[curve.arm] in strong)
    lines, points = [], []
    for curve in curves:
        run = numbers[curve.arm]
        for seed, values in curve.per_seed.items() if len(curve.per_seed) > 1 else ():
            lines.append(Line(run, list(zip(curve.places, values, strict=True)), "seed", f"{curve.arm}, seed {seed}"))
        lines.append(Line(run, list(zip(curve.places, curve.mean, strict=True)), "arm", curve.arm))
        end = answer.arm(curve.arm).means.get(one.group)
        for place, name, value in zip(curve.places, curve.checkpoints, curve.mean, strict=True):
            last = place == curve.places[-1] and end is not None and abs(end.value - value) < 1e-6
            text = f"{curve.arm}, {name or 'a subset of the questions'}: {number(value)}"
            ends = {"low": end.low, "high": end.high} if last else {}
            large = bool(name) and (len(curves) <= MANY or place == curve.places[-1])
            points.append(Point(run, place, value, text, large=large, **ends))
    begin, end_of = min(curve.places[0] for curve in curves), max(curve.places[-1] for curve in curves)
    # From 0 on, unless nothing was asked for most of the way.
    begin = 0.0 if begin <= end_of / 2 else begin - 0.1 * (end_of - begin or 1)
    seen = [value for curve in curves for value in curve.mean] + [p.low for p in points if p.low is not None]
    seen += [p.high for p in points if p.high is not None] + ([one.chance] if one.chance is not None else [])
    if one.chance is not None:
        lines.insert(0, Line(-1, [(begin, one.chance), (end_of, one.chance)], "chance", "chance"))
    spans = stage_spans(one, begin)
    found = {}
    for size, pixels in {"wide": (600, 340), "narrow": (364, 300)}.items():
        names = [
            Name(numbers[curve.arm], curve.places[-1], curve.mean[-1],
                 named(curve.arm, curve.arm, ranks, short=size == "narrow"))
            for curve in curves
        ]  # fmt: skip
        made = figure(
            pixels,
            f"{one.title} tasks",
            x_range=(begin, end_of),
            y_range=(max(0.0, min(seen) - 4), min(100.0, max(seen) + 4)),
            lines=lines,
            points=points,
            spans=spans,
            x_label="samples seen" if one.samples else "checkpoints, in the order in which they were asked",
            y_label="% right, mean of the tasks",
            ends=names,
        )
        if one.chance is not None:
            chance = {"run": None, "text": f"chance {number(one.chance)}", "anchor": "start", "leader": None}
            made.names.append({**chance, "x": made.left + 4, "y": made.to_y(one.chance) - 4})
        found[size] = made
    return found


def stage_spans(one: OverRun, begin: float) -> list[Span]:
    """From one checkpoint to the next, where all arms have the same ones at the same places; else none."""
    ways = {
        tuple((place, name) for place, name in zip(curve.places, curve.checkpoints, strict=True) if name)
        for curve in one.curves
    }
    if len(ways) != 1 or not one.samples or len(min(ways)) > MOST_NAMED:
        return []
    way = [(begin, ""), *ways.pop()]
    return [Span(-1, b, start, end, f"until {b}") for (start, _), (end, b) in pairwise(way) if end > start]
