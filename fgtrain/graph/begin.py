"""The beginning and the end of a start, whoever carries it out: what is left to do, and what came out."""

from collections import Counter

from data_builders.built_from import looked_at_once
from data_builders.shared.files import atomic_write
from data_builders.shared.terminal import say
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study
from fgtrain.runs.folder import claim, refuse_foreign, stage_done
from fgtrain.runs.preflight import refuse_what_cannot_run
from fgtrain.runs.unchanged import refuse_changed_data
from fgtrain.runs.unmeasured import unmeasured_lines
from fgtrain.runs.wandb_outcome import outcome_lines
from fgtrain.runs.watched import watched_lines

from .build import RESOLVED, build_graph, report_path, study_folder
from .job import Graph, Job
from .planned import planned
from .todo import WORK, todo

LISTED = 8  # jobs that one line may name


def begin(study: Study, *, write: bool = True) -> tuple[Graph, list[Job]]:
    """The study's graph, and what is left of it. Claims the runs' folders, unless nothing is to be written.

    UserError for what cannot run, a run's folder that belongs to another recipe or was begun over other data, and a
    checkpoint that was altered.
    """
    for one in study.recipes:
        refuse_what_cannot_run(one.recipe)
    with looked_at_once():
        return _begin(study, write)


def _begin(study: Study, write: bool) -> tuple[Graph, list[Job]]:
    plans = light_plans(study)
    looked_at: set[str] = set()
    for one in study.recipes:
        plan = plans[one.recipe.name]
        refuse_changed_data(one.recipe, plan)
        for stage in plan.stages:
            if stage.store not in looked_at:
                stage_done(one.recipe, stage.fingerprint)  # refuses one that was altered
            looked_at.add(stage.store)
    graph = build_graph(study, plans)
    for one in study.recipes:
        if write:
            claim(one.recipe)
        else:
            refuse_foreign(one.recipe, one.recipe.run_folder)
    if write and study.name is not None:
        _write_study(study)
    return graph, todo(graph)


def light_plans(study: Study) -> dict[str, Plan]:
    """Run name -> its plan, as far as it can be known without torch."""
    with looked_at_once():
        return {one.recipe.name: planned(one.recipe) for one in study.recipes}


def tell_left(graph: Graph, left: list[Job]) -> None:
    """In one line, where a start goes on from an earlier one: what was done before, and what is left."""
    still_open = {job.name for job in left}
    done = [job for job in graph if job.kind in WORK and job.name not in still_open]
    if done and left:
        say(f"done before: {_listed(done)}; left: {_listed([job for job in left if job.is_result])}")


def _listed(jobs: list[Job]) -> str:
    """By title where that is short, else how many of each kind."""
    if len(jobs) <= LISTED and len({run for job in jobs for run in job.runs}) == 1:
        return ", ".join(job.title for job in jobs)
    return ", ".join(f"{kind} {number}" for kind, number in Counter(job.kind for job in jobs).items())


def _write_study(study: Study) -> None:
    with atomic_write(study_folder(study) / RESOLVED) as file:
        file.write(study.resolved)


def tell_results(study: Study, done: int, did: int) -> None:
    """Where everything lies, and what came out."""
    if not did:
        say(f"nothing to do: all {done} jobs are done")
    for one in study.recipes if len(study.recipes) <= 4 else ():
        report = one.recipe.run_folder / "report.html"
        say(f"report: {shown(report)}" if report.is_file() else f"run: {shown(one.recipe.run_folder)}")
    together = report_path(study)
    if len(study.recipes) > 1 and together.is_file():
        answer = study_folder(study) / "answer.md"
        if answer.is_file():
            say(answer.read_text(encoding="utf-8").rstrip())
        say(f"{'answer' if study.name else 'side by side'}: {shown(together)}")
    for one in study.recipes:
        path = one.recipe.run_folder / "plan.json"
        watched = watched_lines(one.recipe.name, read_plan(path)) if path.is_file() else ()
        for line in (*watched, *unmeasured_lines(one.recipe)):
            say(line)
    for line in outcome_lines(one.recipe for one in study.recipes):
        say(line)
