"""A run goes on over the data that it was begun with.

A training set is known by the hash of its rows, which holds the names of its pictures and not what is in them.
"""

from typing import Any

from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.plan.code_changes import rebuilt
from fgtrain.plan.plan_file import earlier_plan
from fgtrain.recipe import Recipe


def refuse_changed_data(recipe: Recipe, plan: Plan) -> None:
    """UserError when the rows of a stage that this run has begun are not those of the plan that it began with.

    Rows that other code has built since are no mistake: the stage is trained anew.
    """
    # As plain values: a plan of an earlier version may have other keys.
    values = earlier_plan(recipe.run_folder / "plan.json").get("stages")
    stages = {stage.get("name"): stage for stage in _objects(values)}
    for stage in plan.stages:
        before = stages.get(stage.name, {})
        if not isinstance(before.get("fingerprint"), str) or not begun(recipe, before["fingerprint"]):
            continue
        anew = rebuilt(before, stage)
        hashes = {data.get("name"): data for data in _objects(before.get("data"))}
        for data in (one for one in stage.data if one.chosen is None):  # chosen by what the stage stands on
            was = hashes.get(data.name, {})
            if data.name in anew:
                continue
            if data.sha256 and was.get("sha256") and data.sha256 != was["sha256"]:
                raise UserError(
                    f"data.{data.name} is not what stage {stage.name} of this run was begun with: "
                    f"{recipe.data_folder(data.name)} has {data.rows:,} rows (hash of rows and pictures "
                    f"{data.sha256[:12]}...), and had {was.get('rows')} ({was['sha256'][:12]}...). Put the old set "
                    f"back, or write name=ANOTHER_NAME for a run over the new ones, or remove {recipe.run_folder}"
                )


def _objects(values: Any) -> list[dict[str, Any]]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def begun(recipe: Recipe, fingerprint: str) -> bool:
    """Does the store hold anything that was learnt in the stage with this fingerprint?"""
    store = recipe.stage_store(fingerprint)
    return (store / "checkpoint").exists() or any((store / "resume").glob("step*"))
