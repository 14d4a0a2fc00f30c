"""The page of a study: the question and its answer in words, the ranked arms, gain against forgetting, the way there,
the contrasts, what was matched; then its runs side by side, or one run an arm on a page beside it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write

from ..compare import compare_runs
from ..ledger import known, load_run
from ..published.beside import Beside, not_shown
from ..shared.measure_names import read_measure
from ..study import ArmAnswer, Contrast, MeasureFacts, StudyAnswer, StudyRuns
from ..study.summary import summary, tone
from ..study.words import checkpoint_words, counted, equal_words, figure, label, order_words
from .categories import study_categories
from .figures import COLOURS
from .page import Page, content, write_report
from .strong import strong_arms
from .study_figures import curve_figures, numbered, pareto_figure
from .study_published import study_published
from .text import num


def write_study_report(runs: StudyRuns, answer: StudyAnswer, path: Path) -> None:
    """Write the study's page to `path`, whole or not at all; beside it <name>_runs.html, one run of each arm side by
    side, unless each of at most six arms has one run: then the page itself holds them.

    UserError: `path` is a folder, or a run folder without scores.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file for the report, for example {path / 'report.html'}")
    page = study_page(runs, answer, path)
    if beside := page.shown["beside"]:
        write_report(one_seed(runs)[1], path.with_name(beside))
    with atomic_write(path) as file:
        file.write(page.html())


def study_page(runs: StudyRuns, answer: StudyAnswer, path: Path) -> Page:
    """The study's page, which will lie at `path`."""
    shown: dict = {"side_by_side": False, "beside": None, "beside_seed": None}
    if len(runs.arms) <= COLOURS and all(len(seeds) == 1 for seeds in runs.arms.values()):
        folders = [Path(folder) for seeds in runs.arms.values() for folder in seeds.values()]
        shown |= {"side_by_side": True, **content(compare_runs([load_run(folder) for folder in folders]))}
    else:
        shown |= {"beside": f"{path.stem}_runs.html", "beside_seed": one_seed(runs)[0]}
    arms = {
        arm: [load_run(Path(folder), metrics=False) for _, folder in sorted(seeds.items())]
        for arm, seeds in runs.arms.items()
    }
    return answer_page(answer, path, shown, study_categories(arms, answer), study_published(arms))


def answer_page(
    answer: StudyAnswer,
    path: Path,
    beneath: dict,
    categories: Sequence[dict] = (),
    published: Sequence[Beside] = (),
) -> Page:
    """The page from the answer alone. `path`: where it will lie, so that links lead to the runs' own reports;
    `beneath`: what stands at its end, the runs side by side or the page `beside` that shows them."""
    strong = strong_arms(answer)
    study = page_content(answer, path) | {
        "pareto": pareto_figure(answer, strong),
        "curves": curve_figures(answer, strong),
        "numbered": numbered([one.arm for one in answer.arms]),
        "categories": categories,
        "published": published,
        "published_others": not_shown(published),
    }
    shown = beneath | {"answer": answer, "study": study}
    return Page("study.html", shown, [one.arm for one in answer.arms], strong)


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
    question, _, more = (answer.question or "").partition("\n\n")
    first = answer.measures[0]
    drawn, scale = lanes(answer)
    units = {one.name: one.unit for one in answer.measures}
    return {
        "question": question,
        "about": more,
        "sentences": summary(answer),
        "measures": [measure_head(one) for one in answer.measures],
        "axis": measure_axis(answer, first.name),
        "seeds": same(len(one.runs) for one in answer.arms),
        "recorded": any(one.cost for one in answer.arms),
        "unit": same(one.cost.unit for one in answer.arms if one.cost) or "device",
        "planned": any(one.hours is not None for one in answer.arms),
        "memory": any(one.cost and one.cost.memory_gib is not None for one in answer.arms),
        "arms": [
            {
                "number": numbers[one.arm],
                "rank": rank,
                "arm": one,
                "at": checkpoint_words(one),
                "cells": list(one.means.values()),
                "lane": measure_lane(answer, one, first.name),
                "links": [(seed, folder, link(Path(folder), path)) for seed, folder in one.runs.items()],
            }
            for rank, one in enumerate(answer.ranked(), 1)
        ],
        "labels": [label(one.name) for one in answer.measures],
        "contrasts": [
            {"one": one, "label": label(one.measure), "unit": units[one.measure], "tone": tone(one), "lane": lane}
            for one, lane in drawn
        ],
        "scale": "; ".join(f"{unit}: {num(-most)} to {num(most)}" for unit, most in scale.items()),
        "retained": [
            {
                "pair": one,
                "labels": (label(one.immediate), label(one.retained)),
                "unit": units[one.immediate],
                "rows": [
                    {"number": numbers[arm], "arm": arm, "change": change}
                    for arm, change in sorted(one.arms.items(), key=lambda item: -item[1].after)
                ],
                "order": order_words(one),
            }
            for one in answer.retained
        ],
        "facts": [{**one, "said": equal_words(one), "values": fact_values(one)} for one in answer.matched],
    }


def measure_head(one: MeasureFacts) -> dict:
    """What stands over a measure's column: its name, unit, which way is better, and what it was measured on."""
    what = read_measure(one.name)
    shares = ("fine_grained", "general", "seen", "unseen", "harmonic")
    unit = "% right" if what.what in shares and what.reaches is None else one.unit
    way = "less" if what.better < 0 or one.unit == "perplexity" else "more" if what.better else ""
    counts = [(len(one.tasks), "task"), (one.questions, "question"), (one.images, "image")]
    return {
        "label": label(one.name),
        "unit": unit,
        "better": f"{way} is better" if way else "",
        "n": ", ".join(counted(count, thing) for count, thing in counts if count),
        "chance": one.chance,
        "tasks": ", ".join(one.tasks),
    }


def measure_axis(answer: StudyAnswer, name: str) -> tuple[float, float] | None:
    """The ends of the axis on which the first measure's intervals are drawn; None: no arm has it."""
    means = [mean for one in answer.arms if (mean := one.means[name])]
    values = [value for mean in means for value in (mean.low, mean.high, mean.value) if known(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1, high + 1)


def measure_lane(answer: StudyAnswer, arm: ArmAnswer, name: str) -> dict | None:
    """Where the arm's mean and interval (and chance) lie on that axis, in percent of it."""
    mean, axis = arm.means[name], measure_axis(answer, name)
    if mean is None or axis is None:
        return None
    chance = next(one for one in answer.measures if one.name == name).chance

    def place(value: float) -> float:
        return 100 * (value - axis[0]) / (axis[1] - axis[0])

    low, high = (place(end) if known(end) else place(mean.value) for end in (mean.low, mean.high))
    inside = chance is not None and axis[0] <= chance <= axis[1]
    return {"low": low, "width": high - low, "at": place(mean.value), "chance": place(chance) if inside else None}


def fact_values(fact: dict) -> list[tuple[str, str]]:
    """(value, the arms that have it), so that thirty arms with one value take one line."""
    arms: dict[str, list[str]] = {}
    for arm, value in fact["values"].items():
        arms.setdefault(figure(value), []).append(arm)
    most = max(map(len, arms.values()), default=0)
    return [
        (value, "every arm" if len(arms) == 1 else "all others" if len(own) == most and most > 6 else ", ".join(own))
        for value, own in sorted(arms.items(), key=lambda item: len(item[1]) == most)
    ]


def same(values: Iterable[int | str]) -> int | str | None:
    """The value that all have; None where they differ, or there is none."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def link(folder: Path, page: Path) -> str | None:
    """From the page to the run's own report, where there is one."""
    report = folder / "report.html"
    return Path(os.path.relpath(report.resolve(), page.resolve().parent)).as_posix() if report.exists() else None


def lanes(answer: StudyAnswer) -> tuple[list[tuple[Contrast, dict | None]], dict[str, float]]:
    """Every contrast with its interval on one axis for all of a unit, in percent of the axis (None: not measured); and
    where the axis of each unit ends."""
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

    return [(one, lane(one)) for one in answer.contrasts], most
