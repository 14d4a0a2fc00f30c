"""Where a study stands: arms x stages, each done, running, waiting, queued or failed; device hours used and left."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from data_builders.built_from import looked_at_once
from data_builders.shared.console import SafeConsole
from data_builders.shared.progress import ProgressState, read_progress
from data_builders.shared.terminal import say
from data_builders.shared.wrapping import say_wrapped
from fgtrain.errors import UserError
from fgtrain.jobs.spec import LOG, PROGRESS, alive, read_faults, spent
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study
from fgtrain.runs.wandb_outcome import outcome_lines
from fgtrain.runs.watched import watched_lines

from .begin import light_plans
from .build import build_graph
from .job import Graph, Job
from .todo import todo

COUNTED = {
    "evaluate": "asked",
    "recover": "recovered",
    "features": "features",
    "judge": "judged",
}  # kind of jobs -> column of the table
STAGES = ("replay", "train", "merge", "best")  # kinds of jobs that make a checkpoint
MARKS = {"done": "green", "running": "cyan", "queued": "cyan", "failed": "red", "stopped": "yellow", "waiting": "dim"}


@dataclass(frozen=True)
class JobStatus:
    """done | running | queued | stopped | failed | waiting, and what more there is to say."""

    state: str
    note: str = ""


@looked_at_once()
def print_status(study: Study, queue: Mapping[str, str]) -> None:
    """Print the table of a study's runs and stages, what is under way, what failed, the hours, and where W&B has it."""
    plans = light_plans(study)
    graph = build_graph(study, plans)
    left = {job.name: job for job in todo(graph)}
    states = {job.name: job_status(job, left, queue) for job in graph}
    SafeConsole().print(_table(study, plans, graph, states))
    for job in graph:
        status = states[job.name]
        if status.state in ("running", "queued", "stopped", "failed"):
            say_wrapped(f"{job.title}: {status.state} {status.note}")
    for one in study.recipes:
        for line in watched_lines(one.recipe.name, plans[one.recipe.name]):
            say_wrapped(line)
    say_wrapped(_hours(graph, states))
    open_runs = {run for name in left for run in graph[name].runs}
    for line in outcome_lines(one.recipe for one in study.recipes if one.recipe.name not in open_runs):
        say(line)  # whole: it is to be copied


def job_status(job: Job, left: Mapping[str, Job], queue: Mapping[str, str]) -> JobStatus:
    """`left`: the jobs that are not done, by name; `queue`: what Slurm says of jobs that it has, by name."""
    if job.name not in left:
        return JobStatus("done")
    if alive(job.folder):
        return JobStatus("running", how_far(read_progress(job.folder / PROGRESS)))
    if (waiting := queue.get(job.name)) is not None:
        return JobStatus("queued", waiting)
    faults = read_faults(job.folder)
    if faults and faults[0].status == 130:
        return JobStatus("stopped", "goes on with the same command")
    if faults:
        return JobStatus("failed", f"{faults[0].message.splitlines()[-1]} ({shown(job.folder / LOG)})")
    blocking = [name for name in left[job.name].after if name in left]
    return JobStatus("waiting", f"for {', '.join(blocking)}" if blocking else "")


def how_far(progress: ProgressState | None) -> str:
    if progress is None:
        return ""
    of = f"/{progress.total:,}" if progress.total is not None else ""
    left = f", {progress.seconds_left / 60:.0f} min left" if progress.seconds_left is not None else ""
    return f"{progress.what} {progress.done:,}{of}{f' · {progress.note}' if progress.note else ''}{left}"


def _table(study: Study, plans: Mapping[str, Plan], graph: Graph, states: Mapping[str, JobStatus]) -> Table:
    """A row a run: preparation, each stage, how many of its checkpoints are asked, measured and judged, its report."""
    names = list(dict.fromkeys(stage.name for plan in plans.values() for stage in plan.stages))
    table = Table(title=f"Status of {study.name or 'the runs'}", title_justify="left", header_style="")
    more = {kind: title for kind, title in COUNTED.items() if kind == "evaluate" or any(j.kind == kind for j in graph)}
    for column in ("run", "data", *names, *more.values(), "report"):
        table.add_column(column, no_wrap=True)
    for one in study.recipes:
        run = one.recipe.name
        mine = [job for job in graph if run in job.runs]
        row = [run.removeprefix(f"{study.name}-") if study.name else run]
        row.append(_together([states[j.name] for j in mine if j.kind in ("build", "sample_text", "prepare", "encode")]))
        for name in names:
            row.append(_together([states[j.name] for j in mine if j.kind in STAGES and j.stage == name]))
        for kind in more:
            found = [states[job.name] for job in mine if job.kind == kind]
            row.append(f"{sum(status.state == 'done' for status in found)}/{len(found)}")
        row.append(_together([states[job.name] for job in mine if job.kind == "report"]))
        table.add_row(*row)
    return table


def _together(found: list[JobStatus]) -> str:
    """The one state that says most of several."""
    if not found:
        return "-"
    for state in ("failed", "running", "stopped", "queued", "waiting", "done"):
        if any(status.state == state for status in found):
            return f"[{MARKS[state]}]{state}[/]"
    return "-"


def _hours(graph: Graph, states: Mapping[str, JobStatus]) -> str:
    """Device hours: used by all starts so far; left by the final plans, less what running jobs have used."""
    computing = [job for job in graph if job.computes]
    used = sum(spent(job.folder) * job.processes for job in computing) / 3600
    plans: dict[str, Plan | None] = {}
    seconds = [_planned_seconds(job, plans) for job in computing if states[job.name].state != "done"]
    left = "unknown" if None in seconds else f"{sum(seconds) / 3600:,.2f}"
    done = sum(status.state == "done" for status in states.values())
    measuring = sum(job.kind == "features" and states[job.name].state != "done" for job in computing)
    beside = f", without {measuring} jobs that measure features" if measuring else ""
    return f"{done} of {len(graph)} jobs done; device hours: {used:,.2f} used, {left} left by the plan{beside}"


def _readable(path: Path) -> Plan | None:
    try:
        return read_plan(path) if path.is_file() else None
    except UserError:  # of another version, or torn: the next start writes it anew
        return None


def _planned_seconds(job: Job, plans: dict[str, Plan | None]) -> float | None:
    """Device seconds of a job by its run's final plan; None where there is none. Encoding counts with stages; how long
    features and a recovery take no plan knows."""
    if job.kind in ("encode", "features", "recover"):
        return 0.0
    if job.recipe.name not in plans:
        path = job.recipe.run_folder / "plan.json"
        plans[job.recipe.name] = _readable(path)
    plan = plans[job.recipe.name]
    if plan is None:
        return None
    if job.kind == "replay":
        costs = [choice.seconds for choice in plan.stage(job.stage).choices if choice.data == job.arguments["name"]]
        seconds = None if None in costs else sum(costs)
    elif job.kind == "train":
        seconds = plan.stage(job.stage).seconds
    else:
        full = (one.seconds for one in plan.evaluations if one.checkpoint == job.stage and not one.during)
        seconds = next(full, None)
    return None if seconds is None else seconds * job.processes
