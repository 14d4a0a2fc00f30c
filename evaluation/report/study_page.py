"""The page of a study: the question and its answer in words, the arms, the contrasts, gain against forgetting, what was
matched; then its runs side by side, or one run an arm on a page beside it where they are many."""

import os
from itertools import pairwise
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write

from ..compare import compare_runs
from ..ledger import load_run
from ..shared.measure_names import read_measure
from ..study import Contrast, StudyAnswer, StudyRuns
from ..study.pareto import Ends
from ..study.words import (
    answer_words,
    checkpoint_words,
    contrast_words,
    ends,
    equal_words,
    figure,
    label,
    measured_on_words,
    order_words,
)
from .categories import study_categories
from .curves import sizes
from .figures import COLOURS, Figure, Line, Point
from .page import content, environment, write_report
from .text import num

MOST_RUNS = COLOURS  # that one page shows side by side


def write_study_report(runs: StudyRuns, answer: StudyAnswer, path: Path) -> None:
    """Write the study's page to `path`, whole or not at all; with more than six runs also <name>_runs.html beside it.

    UserError: `path` is a folder, or a run folder without scores.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file for the report, for example {path / 'report.html'}")
    html, shown = study_page(runs, answer, path)
    if shown["beside"]:
        write_report(one_seed(runs)[1], path.with_name(shown["beside"]))
    with atomic_write(path) as file:
        file.write(html)


def study_page(runs: StudyRuns, answer: StudyAnswer, path: Path) -> tuple[str, dict]:
    """The study's page as HTML that will lie at `path`, and what it shows."""
    folders = [Path(folder) for seeds in runs.arms.values() for _, folder in sorted(seeds.items())]
    shown: dict = {"side_by_side": len(folders) <= MOST_RUNS, "beside": None, "beside_seed": None}
    if shown["side_by_side"]:
        shown |= content(compare_runs([load_run(folder) for folder in folders]))
    else:
        shown |= {"beside": f"{path.stem}_runs.html", "beside_seed": one_seed(runs)[0]}
    study = page_content(answer, path) | {"categories": study_categories(runs, answer)}
    shown |= {"answer": answer, "study": study}
    return environment().get_template("study.html").render(shown), shown


def one_seed(runs: StudyRuns) -> tuple[int, list[Path]]:
    """The seed that most arms have (the smallest of equals), and its run of each of them."""
    counts: dict[int, int] = {}
    for seeds in runs.arms.values():
        for seed in seeds:
            counts[seed] = counts.get(seed, 0) + 1
    seed = min(counts, key=lambda one: (-counts[one], one))
    return seed, [Path(seeds[seed]) for seeds in runs.arms.values() if seed in seeds]


def page_content(answer: StudyAnswer, path: Path) -> dict:
    numbers = {one.arm: place for place, one in enumerate(answer.arms)}
    return {
        "sentences": [
            *({"text": contrast_words(one), "tone": tone(one)} for one in answer.contrasts),
            *({"text": text, "tone": ""} for text in answer_words(answer)[len(answer.contrasts) :]),
        ],
        "arms": [
            {
                "number": numbers[one.arm],
                "arm": one,
                "at": checkpoint_words(one),
                "cells": [mean and {"mean": mean, "ends": ends(mean)} for mean in one.means.values()],
                "links": [(seed, folder, link(Path(folder), path)) for seed, folder in one.runs.items()],
            }
            for one in answer.ranked()
        ],
        "labels": [label(one.name) for one in answer.measures],
        "contrasts": [
            {"one": one, "label": label(one.measure), "tone": tone(one), "lane": lane} for one, lane in lanes(answer)
        ],
        "measured_on": "; ".join(measured_on_words(one) for one in answer.measures),
        "pareto": pareto_figure(answer),
        "retained": [
            {
                "pair": one,
                "labels": (label(one.immediate), label(one.retained)),
                "rows": [
                    {"number": numbers[arm], "arm": arm, "change": change, "ends": ends(change)}
                    for arm, change in sorted(one.arms.items(), key=lambda item: -item[1].after)
                ],
                "order": order_words(one),
            }
            for one in answer.retained
        ],
        "fact_rows": [
            {**one, "said": equal_words(one), "cells": [figure(one["values"].get(arm.arm)) for arm in answer.arms]}
            for one in answer.matched
        ],
    }


def tone(one: Contrast) -> str:
    """better and worse are said of what was shown: of forgetting, less is better."""
    if one.verdict != "shown":
        return "unclear"
    better = read_measure(one.measure).better * one.value
    return "better" if better > 0 else "worse" if better < 0 else "unclear"


def link(folder: Path, page: Path) -> str | None:
    """From the page to the run's own report, where there is one."""
    report = folder / "report.html"
    return Path(os.path.relpath(report.resolve(), page.resolve().parent)).as_posix() if report.exists() else None


def lanes(answer: StudyAnswer) -> list[tuple[Contrast, dict | None]]:
    """Every contrast with its interval on one axis for all of a unit, in percent of the axis; None: not measured."""
    units, most = {one.name: one.unit for one in answer.measures}, {}
    for one in answer.contrasts:
        if one.value is not None:
            unit = units[one.measure]
            most[unit] = max(most.get(unit, 1.05), 1.05 * abs(one.low), 1.05 * abs(one.high))

    def lane(one: Contrast) -> dict | None:
        if one.value is None:
            return None
        low, high, now = (50 + 50 * value / most[units[one.measure]] for value in (one.low, one.high, one.value))
        return {"low": low, "width": high - low, "at": now}

    return [(one, lane(one)) for one in answer.contrasts]


def pareto_figure(answer: StudyAnswer) -> dict[str, Figure]:
    """Fine-grained score against forgetting, an arm a mark (or each share of a merge at several) with both intervals;
    empty where one is not measured."""
    places = answer.pareto
    if not places:
        return {}
    numbers = {one.arm: number for number, one in enumerate(answer.arms)}
    points = [
        Point(
            number_of(one.arm, numbers), one.forgetting.value, one.fine_grained.value,
            f"{one.arm}: fine-grained {ends_text(one.fine_grained)}, forgot {ends_text(one.forgetting)} points; "
            + ("not bettered" if one.on_front else f"bettered by {', '.join(one.bettered_by)}")
            + (", within noise" if one.within_noise else ""),
            label=one.arm + (" (within noise)" if one.within_noise else ""),
            low=one.fine_grained.low, high=one.fine_grained.high,
            x_low=one.forgetting.low, x_high=one.forgetting.high,
        )
        for one in places
    ]  # fmt: skip
    front = sorted((one.forgetting.value, one.fine_grained.value) for one in places if one.on_front)
    steps = [xy for a, b in pairwise(front) for xy in (a, (b[0], a[1]))] + front[-1:]
    names = ", ".join(one.arm for one in places if one.on_front)
    right = max(2.0, *(one.x_high for one in points)) * 1.1
    low, high = min(one.low for one in points), max(one.high for one in points)
    room = max(2.0, 0.12 * (high - low))
    return sizes(
        {"wide": (600, 400), "narrow": (364, 320)},
        "Fine-grained score against forgetting, an arm a mark",
        x_range=(0, right),
        y_range=(max(0.0, low - room), min(100.0, high + room)),
        points=points,
        lines=[Line(0, steps, "front", f"not bettered: {names}")] if len(front) > 1 else [],
        x_label="forgotten on general tasks, points",
        y_label="fine-grained tasks, % right",
        corner="better",
    )


def number_of(name: str, numbers: dict[str, int]) -> int:
    """The arm's number; `name` may be that of one share of its merge: `arm share`."""
    return numbers[max((arm for arm in numbers if f"{name} ".startswith(f"{arm} ")), key=len)]


def ends_text(one: Ends) -> str:
    return f"{num(one.value)} ({num(one.low)} to {num(one.high)})"
