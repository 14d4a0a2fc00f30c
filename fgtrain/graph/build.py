"""From a study's plans to the graph of its jobs: equal work stands there once, whichever arm or seed wants it."""

from collections.abc import Mapping
from pathlib import Path

from fgtrain.plan import Plan
from fgtrain.plan.checkpoints import features_at
from fgtrain.recipe.study import Study
from fgtrain.runs.reported import reported, results_of_study

from .job import Graph, Job
from .one_run import JOBS
from .run_jobs import RunJobs

RESOLVED = "study.resolved.yaml"  # in the study's folder: what a start was asked for, whatever its file says later


def build_graph(study: Study, plans: Mapping[str, Plan]) -> Graph:
    """All jobs of all runs. `plans`: run name -> plan."""
    graph = Graph()
    alone = len(study.recipes) == 1 and study.name is None
    runs = [
        RunJobs(
            graph,
            one.recipe,
            plans[one.recipe.name],
            show=len(study.recipes) == 1,
            judged_in=one.recipe.run_folder if alone else study_folder(study),
        )
        for one in study.recipes
    ]
    for run in runs:
        run.prepare()
    proof = _match(graph, study) if study.matched else None
    # A run that averages others' checkpoints stands behind them.
    for run in sorted(runs, key=lambda run: any(stage.elsewhere for stage in run.plan.stages)):
        run.carry_out(proof)
    ends = [run.report() for run in runs]
    if len(runs) > 1 and all(run.asked or features_at(run.recipe) for run in runs):
        _answer(graph, study, ends)
    return graph


def study_folder(study: Study) -> Path:
    """Of the study, or of recipes that are only started together."""
    if study.folder is not None:
        return study.folder
    first = study.recipes[0].recipe
    return first.path(first.runs_root) / "together" / "-".join(one.recipe.name for one in study.recipes)[:120]


def report_path(study: Study) -> Path:
    """Where the answer of several runs is told."""
    return study_folder(study) / "report.html"


def _match(graph: Graph, study: Study) -> str:
    folder = study_folder(study)
    name = f"{study.name}/match"
    return graph.add(
        Job(
            name=name,
            kind="match",
            title=f"prove that the arms of {study.name} are matched",
            identity=("match", str(folder)),
            folder=folder / JOBS / "match",
            arguments={"study": str(folder / RESOLVED), "out": str(folder / "matched.json")},
            after=tuple(job.name for job in graph if job.kind == "prepare"),
            runs=tuple(one.recipe.name for one in study.recipes),
            done=lambda: False,
        )
    )


def _answer(graph: Graph, study: Study, ends: list[str]) -> None:
    folder = study_folder(study)
    arms: dict[str, dict[str, str]] = {}
    for one in study.recipes:
        arms.setdefault(one.arm, {})[str(one.seed)] = str(one.recipe.run_folder)
    values = {
        "name": study.name,
        "question": study.question,
        "arms": arms,
        "measures": list(study.measure),
        "contrasts": [[one.a, one.b] for one in study.contrasts],
        "notes": list(study.notes),
    }
    path, runs = report_path(study), [one.recipe.run_folder for one in study.recipes]
    graph.add(
        Job(
            name=f"{study.name or 'together'}/answer",
            kind="answer",
            title=f"answer of {study.name}" if study.name else "runs side by side",
            identity=("answer", str(folder)),
            folder=folder / JOBS / "answer",
            arguments={"study": values, "out": str(folder if study.name else path)},
            after=tuple(ends),
            runs=tuple(one.recipe.name for one in study.recipes),
            done=lambda: path.is_file() and reported(folder, results_of_study(runs)),
        )
    )
