"""What a start says first: what is done, of what, on what, for how long, where; ten lines, the whole plan in a file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_builders.shared.wrapping import say_wrapped
from fgtrain.errors import UserError
from fgtrain.plan import Plan, StagePlan, read_plan
from fgtrain.plan.layout import duration
from fgtrain.plan.prepared_lines import PLAN_TEXT
from fgtrain.plan.study_hours import study_hours
from fgtrain.plan.study_tables import hours_text
from fgtrain.recipe import Devices, Model
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study

from .job import Graph, Job
from .todo import WORK

LABEL = 9  # columns before what a line says
STAGES = 3  # of a run that have a line each
LISTED = 8  # jobs that one line may name
NAMED = 12  # arms
COUNTED_LATER = "known once the data is counted; --plan estimates it beforehand"


def tell_opening(study: Study, plans: dict[str, Plan], graph: Graph, left: Sequence[Job]) -> None:
    """Say it. `plans`: run name -> plan as far as it can be known without torch; `left`: the jobs to do."""
    title, lines = opening(study, plans, graph, left)
    say_wrapped(title)
    for label, text in lines:
        say_wrapped(f"  {label:<{LABEL}}{text}", hang=LABEL + 2)


def opening(
    study: Study, plans: dict[str, Plan], graph: Graph, left: Sequence[Job]
) -> tuple[str, list[tuple[str, str]]]:
    """The title, then (label, what it is)."""
    one = study.recipes[0].recipe
    plan = plans[one.name]
    alone = len(study.recipes) == 1
    lines = [*(_of_run(plan, one.model) if alone else _of_study(study, plans))]
    lines += [("asks", _asks(list(plans.values())))] if any(each.tasks for each in plans.values()) else []
    lines += [("on", devices_words(one.devices)), ("takes", _takes(study, plans, left)), ("in", _place(study))]
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in Counter(job.kind for job in left).items())
    lines.append(("to do", f"{len(left):,} {'job' if len(left) == 1 else 'jobs'}: {kinds}"))
    still_open = {job.name for job in left}
    if done := [job for job in graph if job.kind in WORK and job.name not in still_open]:
        lines.append(("done", f"before: {_listed(done)}; left: {_listed([job for job in left if job.is_result])}"))
    return (f"{one.name}, seed {one.seed}" if alone else _study_title(study)), lines


def _study_title(study: Study) -> str:
    question = study.question.split("\n\n")[0].replace("\n", " ")
    return f"{study.name}: {question}".rstrip(": ") if study.name else f"{len(study.recipes)} runs side by side"


def _of_run(plan: Plan, model: Model) -> Iterator[tuple[str, str]]:
    yield "model", model_words(model)
    if len(plan.stages) <= STAGES:
        for stage in plan.stages:
            yield stage.name, stage_words(stage)
    else:
        yield "stages", f"{', '.join(stage.name for stage in plan.stages)}: {_amount([plan])}"


def _of_study(study: Study, plans: dict[str, Plan]) -> Iterator[tuple[str, str]]:
    names = [arm.name for arm in study.arms]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    yield "arms", f"{len(names)}: {', '.join(names[:NAMED])}{more}"
    seeds = ", ".join(map(str, study.seeds))
    yield "seeds", f"{seeds}; {len(study.recipes):,} runs"
    stages = dict.fromkeys(stage.name for plan in plans.values() for stage in plan.stages)
    yield "stages", f"{', '.join(stages)}; a run: {_amount(list(plans.values()))}"


def model_words(model: Model) -> str:
    """The released model, or what it is composed of."""
    if model.checkpoint is not None:
        return shown(Path(model.checkpoint)) if Path(model.checkpoint).is_absolute() else model.checkpoint
    named = (model.vision_encoder, model.projector, model.language_model)
    return " + ".join(one if one.count("/") < 2 else Path(one).name for one in named if one is not None)  # a hub's id


def stage_words(stage: StagePlan) -> str:
    learns = [part.part for part in stage.parts if part.learns]
    if stage.batch is None:
        return stage.objective
    sets = f"{len(stage.data)} data set{'' if len(stage.data) == 1 else 's'}"
    amount = f"{stage.samples:,} samples of {sets}" if stage.samples is not None else f"{sets}, not counted yet"
    steps = f" in {stage.steps:,} steps" if stage.steps is not None else ""
    return f"{amount}{steps}; {', '.join(learns)} {'learns' if len(learns) == 1 else 'learn'}"


def devices_words(devices: Devices) -> str:
    """'8 GPUs on each of 2 nodes', '1 process on the CPU'."""
    many = devices.count != 1
    what = {"gpu": "GPU", "cpu": "process", "auto": "device"}[devices.accelerator]
    text = f"{devices.count} {what}{('es' if what == 'process' else 's') if many else ''}"
    text += {"gpu": "", "cpu": " on the CPU", "auto": " (GPUs where there are some, else the CPU)"}[devices.accelerator]
    return text if devices.nodes == 1 else f"{text}, on each of {devices.nodes} nodes"


def _asks(plans: list[Plan]) -> str:
    tasks = dict.fromkeys(task for plan in plans for task in plan.tasks)
    places = list(dict.fromkeys(place for plan in plans for place in plan.evaluated))
    asked = {one.questions for plan in plans for one in plan.evaluations if not one.during}
    questions = f", {max(asked):,} questions each time" if asked and None not in asked else ""
    listed = ", ".join([*tasks][:LISTED]) + (f" and {len(tasks) - LISTED} more" if len(tasks) > LISTED else "")
    where = ", ".join(places) if len(places) <= LISTED else f"{len(places)} checkpoints"
    return f"{listed} at {where}{questions}"


def _takes(study: Study, plans: dict[str, Plan], left: Sequence[Job]) -> str:
    uncounted = any(job.kind == "prepare" for job in left)
    known = {}
    for one in study.recipes:
        final = None if uncounted else _final(one.recipe.run_folder / "plan.json")
        known[one.arm, one.seed] = final or plans[one.recipe.name]
    hours = study_hours(study, known).all
    if hours is None:
        return COUNTED_LATER
    devices = study.recipes[0].recipe.devices
    what = {"gpu": "GPU", "cpu": "CPU", "auto": "device"}[devices.accelerator]
    if len(study.recipes) == 1:
        return (
            f"about {duration(hours * 3600 / devices.world_size)} from the beginning ({hours_text(hours)} {what} hours)"
        )
    return f"about {hours_text(hours)} {what} hours from the beginning, equal work once"


def _final(path: Path) -> Plan | None:
    try:
        return read_plan(path) if path.is_file() else None
    except UserError:  # of another version: it is written anew
        return None


def _place(study: Study) -> str:
    one = study.recipes[0].recipe
    files = f"{PLAN_TEXT} has the whole plan, jobs/*/log.txt what jobs say"
    if len(study.recipes) == 1:
        return f"{shown(one.run_folder)}: {files}"
    mine = shown(study.folder) if study.folder is not None else shown(one.run_folder.parent)
    return f"{mine}, and a folder a run beside it: {files}"


def _amount(plans: list[Plan]) -> str:
    samples, steps = _span([plan.samples for plan in plans]), _span([plan.steps for plan in plans])
    return f"{samples} samples in {steps} steps" if samples and steps else "not counted yet"


def _span(values: list[int | None]) -> str:
    if None in values:
        return ""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(jobs: Sequence[Job]) -> str:
    """By title where that is short, else how many of each kind."""
    if len(jobs) <= LISTED and len({run for job in jobs for run in job.runs}) == 1:
        return ", ".join(job.title for job in jobs)
    return ", ".join(f"{number:,} {kind}" for kind, number in Counter(job.kind for job in jobs).items())
