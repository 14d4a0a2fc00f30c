"""Proves that a study's arms are matched, by their final plans, and that they are asked what is to be compared, before
anything is trained."""

from pathlib import Path

from data_builders.shared.files import write_json
from evaluation.shared.measure_names import read_measure
from evaluation.study.runs import of_task
from fgtrain.errors import UserError
from fgtrain.plan import read_plan
from fgtrain.plan.matched import check_matched
from fgtrain.plan.prepared_lines import write_plan_text
from fgtrain.plan.study_tables import print_study_plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe, Study
from fgtrain.recipe.problems import instead
from fgtrain.recipe.study_load import load_study
from fgtrain.recipe.study_schema import MEASURES
from fgtrain.runs.evaluations import asked_questions


def match(recipe: Recipe | None, group: Group, study: str, out: str) -> None:
    """Write what is equal between the arms, and how it is known; and the study's plan as text beside it. UserError with
    the arms' numbers where they are not equal, and for a measure of no task that is asked.

    `study`: the resolved study file.
    """
    asked = load_study([study])
    _check_measures(asked)
    plans = {(one.arm, one.seed): read_plan(one.recipe.run_folder / "plan.json") for one in asked.recipes}
    matched = check_matched(asked, plans)
    write_plan_text(
        Path(out).parent, lambda console: print_study_plan(asked, plans, matched, console=console, full=True)
    )
    write_json(Path(out), [fact.model_dump(mode="json") for fact in matched])


def _check_measures(study: Study) -> None:
    """A recipe names tasks by selectors; which there are is known when their question files are here."""
    tasks = list(dict.fromkeys(task for one in study.recipes for task in asked_questions(one.recipe)))
    for measure in study.measure:
        what = read_measure(measure).what
        if what in MEASURES or what.startswith("features/"):
            continue
        if not any(of_task(task, what.partition(":")[0]) for task in tasks):
            text = f"answer.measure holds {measure}, but no arm is asked {what.partition(':')[0]}"
            raise UserError(f"study {study.name}: {text}. {instead(what.partition(':')[0], tasks)}")
