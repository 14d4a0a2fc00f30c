"""The beginning of a start, whoever carries it out: what is left to do."""

from typing import NamedTuple

from data_builders.built_from import looked_at_once
from data_builders.shared.files import atomic_write
from fgtrain.plan import Plan
from fgtrain.recipe.study import Study
from fgtrain.runs.folder import claim, refuse_foreign, stage_done
from fgtrain.runs.preflight import refuse_what_cannot_run
from fgtrain.runs.unchanged import refuse_changed_data

from .build import RESOLVED, build_graph, study_folder
from .job import Graph, Job
from .planned import planned
from .todo import todo


class Begun(NamedTuple):
    """The study's graph, what is left of it, and each run's plan by its name, as far as no torch is needed for it."""

    graph: Graph
    left: list[Job]
    plans: dict[str, Plan]


def begin(study: Study, *, write: bool = True) -> Begun:
    """What there is to do. Claims the runs' folders, unless nothing is to be written.

    UserError for what cannot run, a run's folder that belongs to another recipe or was begun over other data, and a
    checkpoint that was altered.
    """
    for one in study.recipes:
        refuse_what_cannot_run(one.recipe)
    with looked_at_once():
        return _begin(study, write)


def _begin(study: Study, write: bool) -> Begun:
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
    return Begun(graph, todo(graph), plans)


def light_plans(study: Study) -> dict[str, Plan]:
    """Run name -> its plan, as far as it can be known without torch."""
    with looked_at_once():
        return {one.recipe.name: planned(one.recipe) for one in study.recipes}


def _write_study(study: Study) -> None:
    with atomic_write(study_folder(study) / RESOLVED) as file:
        file.write(study.resolved)
