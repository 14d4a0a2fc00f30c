"""Proves that a study's arms are matched, by their final plans, before anything is trained."""

from pathlib import Path

from data_builders.shared.files import write_json
from fgtrain.plan import read_plan
from fgtrain.plan.matched import check_matched
from fgtrain.plan.prepared_lines import write_plan_text
from fgtrain.plan.study_tables import print_study_plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.recipe.study_load import load_study


def match(recipe: Recipe | None, group: Group, study: str, out: str) -> None:
    """Write what is equal between the arms, and how it is known; and the study's plan as text beside it. UserError with
    the arms' numbers where they are not equal.

    `study`: the resolved study file.
    """
    asked = load_study([study])
    plans = {(one.arm, one.seed): read_plan(one.recipe.run_folder / "plan.json") for one in asked.recipes}
    matched = check_matched(asked, plans)
    write_plan_text(
        Path(out).parent, lambda console: print_study_plan(asked, plans, matched, console=console, full=True)
    )
    write_json(Path(out), [fact.model_dump(mode="json") for fact in matched])
