"""A study's plan for people: the arms, what is matched, what is shared, what it costs. Two screens at 80 columns."""

import re
from collections.abc import Iterable, Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_builders.shared.console import SafeConsole
from fgtrain.recipe import ABSENT, Difference, Recipe, Study
from fgtrain.recipe.load import shown

from .matching import MatchedFact
from .schema import Plan
from .study_hours import Plans, distinct_stages, study_hours
from .tables import number

MOST_ARMS = 20
MOST_NOTES = 6
MOST_SHARED = 6
LEAST_CHANGES = 22  # columns for what differs
BETWEEN = 3  # blanks between two columns of the table


def print_study_plan(
    study: Study,
    plans: Plans,
    matched: list[MatchedFact],
    jobs_summary: Mapping[str, int] | None = None,
    console: Console | None = None,
    full: bool = False,
) -> None:
    """Print it. `plans`: (arm, seed) -> plan; `jobs_summary`: kind of job -> how many are left to do; `full`: all arms,
    however many they are.
    """
    console = console or SafeConsole()
    seeds = ", ".join(map(str, study.seeds))
    title = study.name or "unnamed study"
    console.print(
        f"\n[bold]{escape(title)}[/]  {escape(study.question.split(chr(10) * 2)[0])}".rstrip(), highlight=False
    )
    counts = f"{_count(len(study.arms), 'arm')} x {_count(len(study.seeds), 'seed')} ({seeds})"
    console.print(f"{counts} = {_count(len(study.recipes), 'run')}" + _where(study), highlight=False)
    most = len(study.arms) if full else MOST_ARMS
    console.print(_arms(study, plans, console.width, most))
    if len(study.arms) > most:
        console.print(f"and {_count(len(study.arms) - most, 'more arm')}: --plan --full", highlight=False)
    for line in (*_matched_lines(study, matched), *_shared(study, plans), *_cost(study, plans, jobs_summary)):
        console.print(escape(line), highlight=False)
    notes = list(dict.fromkeys(note for plan in plans.values() for note in plan.notes))
    for note in notes[:MOST_NOTES]:
        console.print(f"[dim]- {escape(note)}[/]", highlight=False)
    more = f"{_count(len(notes) - MOST_NOTES, 'more note')}, and every" if len(notes) > MOST_NOTES else "Every"
    console.print(f"{more} run's plan: --plan --full", highlight=False)


def _where(study: Study) -> str:
    return f", in {shown(study.folder)}" if study.folder is not None else ""


def _count(value: int, what: str) -> str:
    return f"{value:,} {what}{'' if value == 1 else 's'}"


def _arms(study: Study, plans: Plans, width: int, most: int) -> Table:
    """The first `most`, of one seed each. As many data sets whose exposures differ as there is room for, the matched
    ones first.
    """
    mine = [plans[arm.name, _seed(study, arm.name)] for arm in study.arms]
    columns = {
        "steps": [number(plan.steps) for plan in mine],
        "samples": [number(plan.samples) for plan in mine],
    }
    hours = [plan.device_hours.all for plan in mine]
    last = {f"{device(study.recipes[0].recipe)} hours": [hours_text(value) for value in hours]}
    differing = _differing(study, mine)
    names = max(len("arm"), *(len(arm.name) for arm in study.arms))
    names = min(names, max(12, width // 4))
    left = width - names - LEAST_CHANGES - BETWEEN - sum(_width(*item) + BETWEEN for item in (columns | last).items())
    for name in list(differing):
        column = {name: [number(plan.exposures.get(name, 0)) for plan in mine]}
        if left < _width(name, column[name]) + BETWEEN:
            break
        left -= _width(name, column[name]) + BETWEEN
        columns |= column
        differing.remove(name)
    common = common_changes(study)
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, header_style="", expand=False)
    table.add_column("arm", width=names, overflow="fold")
    table.add_column("what differs", width=LEAST_CHANGES + max(left, 0), overflow="fold")
    for title, cells in (columns | last).items():
        # A fixed width, for the narrower columns of a full table would break numbers in two.
        table.add_column(escape(title), justify="right", width=_width(title, cells), overflow="fold")
    cells = list((columns | last).values())
    for index, arm in enumerate(study.arms[:most]):
        table.add_row(
            escape(arm.name),
            escape(told(one for one in arm.changes if one not in common)),
            *(column[index] for column in cells),
        )
    notes = [f"in all arms: {told(common)}"] if common else []
    notes.append("numbers of one seed")
    if of_data := [name for name in columns if name not in ("steps", "samples")]:
        notes.append(f"{', '.join(of_data)}: samples of it")
    if differing:
        notes.append(f"unequal as well: {', '.join(differing)}")
    table.caption, table.caption_justify = escape("; ".join(notes)), "left"
    return table


def _seed(study: Study, arm: str) -> int:
    """The arm's first."""
    return next(one.seed for one in study.recipes if one.arm == arm)


def _width(title: str, cells: list[str]) -> int:
    """No cell breaks; a title may, at its underscores and blanks if they allow it."""
    return max(*(len(cell) for cell in cells), min(len(title), 9))


def _differing(study: Study, plans: list[Plan]) -> list[str]:
    """Data sets that the arms do not see equally often, and matched ones first."""
    names = list(dict.fromkeys(name for plan in plans for name in plan.exposures))
    unequal = [name for name in names if len({plan.exposures.get(name, 0) for plan in plans}) > 1]
    claimed = [one.what.removeprefix("exposures.") for one in study.matched]
    return sorted(unequal, key=lambda name: name not in claimed)


def common_changes(study: Study) -> tuple[Difference, ...]:
    """What all arms change alike."""
    first, *others = study.arms
    return tuple(one for one in first.changes if all(one in arm.changes for arm in others)) if others else ()


def told(changes: Iterable[Difference]) -> str:
    """Where an arm differs from the base, in few words: `align: fg_short_answer x10; sft: steps 16,624`."""
    of_stages: dict[str, list[str]] = {}
    others = []
    for one in changes:
        match re.split(r"(?<!@0)\.", one.key):  # a stage may be called wise@0.25
            case ["stages", stage]:
                others.append(f"no stage {stage}" if one.b == ABSENT else f"stage {stage}")
            case ["stages", stage, "mix", data_set]:
                of_stages.setdefault(stage, []).append(_mix(data_set, one))
            case ["stages", stage, *rest]:
                of_stages.setdefault(stage, []).append(_set(".".join(rest), one))
            case ["evaluation", "at"]:
                pass  # follows from the stages, or is told by where the arm is asked
            case _:
                others.append(_set(one.key, one))
    return "; ".join([*(f"{stage}: {', '.join(words)}" for stage, words in of_stages.items()), *others]) or "-"


def _mix(data_set: str, one: Difference) -> str:
    return f"no {data_set}" if one.b == ABSENT else f"{data_set} x{_value(one.b)}"


def _set(key: str, one: Difference) -> str:
    return f"no {key}" if one.b == ABSENT else f"{key} {_value(one.b)}"


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "null"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values()):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())  # data set -> augmentation
    return "changed" if isinstance(value, dict) else str(value)


def _matched_lines(study: Study, facts: list[MatchedFact]) -> list[str]:
    if not facts:
        return ["Matched: nothing is claimed to be equal between arms."] if len(study.arms) > 1 else []
    lines = ["Matched:"]
    for fact in facts:
        values = sorted({value for arm, value in fact.values.items() if arm not in fact.exempt and value is not None})
        proof = {True: "equal", False: "NOT equal", None: "not proven yet"}[fact.equal]
        text = f"  {fact.what}: {proof}"
        if values:
            text += f", {' | '.join(f'{value:,}' for value in values)}"
        lines.append(f"{text} ({fact.note})" if fact.note else text)
    return lines


def _shared(study: Study, plans: Plans) -> list[str]:
    every = sum(len(plan.stages) for plan in plans.values())
    once = distinct_stages(plans)
    size = f"{_count(len(study.arms), 'arm')} x {_count(len(study.seeds), 'seed')}"
    lines = [f"Shared: {size}: {_count(every, 'stage')}, {len(once):,} distinct"]
    first = [(arm.name, plans[arm.name, _seed(study, arm.name)]) for arm in study.arms]
    by_stage: dict[tuple[str, str], list[str]] = {}
    for arm, plan in first:
        for stage in plan.stages:
            by_stage.setdefault((stage.name, stage.fingerprint), []).append(arm)
    together = [(stage, arms) for (stage, _), arms in by_stage.items() if len(arms) > 1]
    for stage, arms in together[:MOST_SHARED]:
        who = "all arms" if len(arms) == len(first) else ", ".join(arms)
        lines.append(f"  {stage} is trained once for {who}")
    if len(together) > MOST_SHARED:
        lines.append(f"  and {len(together) - MOST_SHARED} more are trained once for several arms")
    return lines


def _cost(study: Study, plans: Plans, jobs: Mapping[str, int] | None) -> list[str]:
    lines = []
    if jobs:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in jobs.items())
        lines.append(f"Jobs: {sum(jobs.values()):,} ({kinds})")
    first = next(iter(plans.values()))
    if first.tasks:
        asked = {one.questions for plan in plans.values() for one in plan.evaluations if not one.during}
        questions = f", {max(asked):,} questions each" if asked and None not in asked else ""
        places = list(dict.fromkeys(place for plan in plans.values() for place in plan.evaluated))
        lines.append(f"Evaluated at {', '.join(places)}: {_count(len(first.tasks), 'task')}{questions}")
    cost = study_hours(study, plans)
    parts = {"training": cost.training, "encoding": cost.encoding, "evaluation": cost.evaluation}
    of = ", ".join(f"{what} {hours_text(value)}" for what, value in parts.items() if value is not None)
    what = device(study.recipes[0].recipe)
    lines.append(f"{what} hours in all, equal work once: {hours_text(cost.all)}{f' ({of})' if of else ''}")
    return lines


def device(recipe: Recipe) -> str:
    return {"gpu": "GPU", "cpu": "CPU", "auto": "device"}[recipe.devices.accelerator]


def hours_text(hours: float | None) -> str:
    if not hours:
        return "unknown" if hours is None else "0"
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:,.1f}" if hours >= 1 else f"{hours:,.2f}"
