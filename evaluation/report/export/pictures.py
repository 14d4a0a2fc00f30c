"""Every figure of a page, found in what the page shows: those with axes wherever they stand, and those that the page
draws of boxes (forgetting, contrasts, what became of each question, what answers name)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...ledger import WORDS
from ...study import Contrast
from ...study.words import label
from ..figures import Figure
from ..strong import strong_arms
from .curves import draw_curves
from .rows import LETTERS, Mark, Row, draw_rows, draw_shares
from .style import Series

BETTER, WORSE, NEITHER = "#0b7a5f", "#c0360c", "#dfe4ea"
OF_ITEMS = dict(zip(WORDS, (BETTER, "#85bdae", "#3c9a83", WORSE, "#e6af9d", NEITHER), strict=True))
OF_NAMES = {"name_exact": BETTER, "name_level": "#85bdae", "sibling": "#e6af9d", "other": WORSE, "unnamed": NEITHER}


@dataclass(frozen=True)
class Picture:
    """`draw` makes a matplotlib figure."""

    title: str
    draw: Callable[[], Any]


def pictures_of(shown: dict) -> list[Picture]:
    """Of what `runs_page`, `study_page` or `features_page` shows."""
    found = []
    if "study" in shown:
        answer = shown["answer"]
        arms = Series({number: one.arm for number, one in enumerate(answer.arms)}, strong_arms(answer))
        found += [*curve_pictures(shown["study"], arms), *contrast_pictures(answer.contrasts)]
    if "runs" in shown:
        runs = Series({index: run.name for index, run in enumerate(shown["runs"])})
        own = {name: value for name, value in shown.items() if name not in ("study", "answer")}
        found += [*curve_pictures(own, runs), *forgetting_pictures(shown, runs), *item_pictures(shown)]
        found += [*name_pictures(shown), *rank_pictures(shown)]
    if "measures" in shown:
        found += feature_pictures(shown)
    return found


def figures_in(value: object) -> Iterator[Figure]:
    """The wide one of each figure, wherever it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("wide"), Figure):
            yield value["wide"]
            return
        value = value.values()
    if isinstance(value, list | tuple) or type(value).__name__ == "dict_values":
        for one in value:
            yield from figures_in(one)


def curve_pictures(shown: dict, series: Series) -> list[Picture]:
    return [Picture(one.title, partial(draw_curves, one, series)) for one in figures_in(shown)]


def contrast_pictures(contrasts: list[Contrast]) -> list[Picture]:
    """A picture a measure: every contrast with its interval."""
    pictures = []
    for measure in dict.fromkeys(one.measure for one in contrasts):
        rows = [
            Row(contrast_name(one), (Mark(0, one.value, one.low, one.high),))
            for one in contrasts
            if one.measure == measure and one.value is not None
        ]
        if rows:
            title = f"Contrasts: {label(measure)}"
            draw = partial(draw_rows, rows, title, "difference with its 95 % interval", Series({0: ""}), line_at=0.0)
            pictures.append(Picture(title, draw))
    return pictures


def contrast_name(one: Contrast) -> str:
    """On two lines where it is long."""
    apart = " −\n" if len(one.first) + len(one.second) > LETTERS - 6 else " − "
    return f"{one.first}{apart}{one.second}"


def forgetting_pictures(shown: dict, series: Series) -> list[Picture]:
    pictures = []
    for group, tasks in ((shown.get("forgetting") or {}).get("groups") or {}).items():
        rows = [
            Row(str(task["title"]), tuple(
                Mark(bar["index"], bar["lost"].value, bar["lost"].low, bar["lost"].high)
                for bar in task["bars"] if bar["lost"]
            ))
            for task in tasks
        ]  # fmt: skip
        title = f"{shown['groups'][group]} tasks: best so far minus now"
        draw = partial(draw_rows, rows, title, "forgotten, points, with 95 % interval", series, line_at=0.0)
        pictures.append(Picture(title, draw))
    return pictures


def item_pictures(shown: dict) -> list[Picture]:
    """What became of each question, summed over the tasks of a group."""
    pictures = []
    for run, book in zip(shown["runs"], shown.get("ledgers") or (), strict=False):
        bars = [
            (f"{shown['groups'][group]}: {step['before']} → {step['after']}", step["counts"])
            for group, steps in book["groups"].items()
            for step in steps
        ]
        if bars:
            title = f"{run.name}: what became of each question"
            draw = partial(draw_shares, bars, title, "% of questions", OF_ITEMS)
            pictures.append(Picture(title, draw))
    return pictures


def name_pictures(shown: dict) -> list[Picture]:
    pictures = []
    outcomes = shown.get("outcomes") or {"tasks": []}
    for task in outcomes["tasks"]:
        words = outcomes["words"]
        bars = [
            (f"{bar['run'].name}, {bar['checkpoint']}", {words[p["rule"]]: round(p["value"], 1) for p in bar["parts"]})
            for bar in task["bars"]
        ]
        colours = {words[rule]: tint for rule, tint in OF_NAMES.items()}
        title = f"What answers name: {task['title']}"
        pictures.append(Picture(title, partial(draw_shares, bars, title, "% of answers", colours)))
    return pictures


def rank_pictures(shown: dict) -> list[Picture]:
    """Critical-distance diagrams of models' features."""
    from ..friedman_diagram import draw_diagram

    return [
        Picture(f"Average ranks: {one['name']}", partial(draw_diagram, one["found"]))
        for run in shown.get("machine") or ()
        for one in run["diagrams"]
    ]


def feature_pictures(shown: dict) -> list[Picture]:
    """Of a page of many models: scores by what they were trained on, by size, and ranks; one head beside many."""
    from ..friedman_diagram import draw_diagram

    found = []
    for one in shown["measures"]:
        found += curve_pictures(one, Series({0: ""}))
        if one["ranks"]:
            found.append(Picture(f"Average ranks: {one['matrix'].title}", partial(draw_diagram, one["ranks"])))
    if shown["single"]:
        models = dict.fromkeys(row["model"] for row in shown["single"]["rows"])
        found += curve_pictures(shown["single"], Series(dict(enumerate(models))))
    return found
