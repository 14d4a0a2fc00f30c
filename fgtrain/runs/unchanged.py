"""A run goes on over the data that it was begun with.

A training set is known by the hash of its rows, which holds the names of its pictures and not what is in them.
"""

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.plan.code_changes import rebuilt
from fgtrain.recipe import Recipe


def refuse_changed_data(recipe: Recipe, plan: Plan) -> None:
    """UserError when the rows of a stage that this run has begun are not those of the plan that it began with.

    Rows that other code has built since are no mistake: the stage is trained anew.
    """
    path = recipe.run_folder / "plan.json"
    if not path.is_file():
        return
    # As plain values: a plan of an earlier version may have other keys.
    stages = {stage["name"]: stage for stage in read_json(path).get("stages", ())}
    for stage in plan.stages:
        before = stages.get(stage.name)
        if before is None or not begun(recipe, before["fingerprint"]):
            continue
        anew = rebuilt(before, stage)
        hashes = {data["name"]: data for data in before["data"]}
        for data in stage.data:
            was = hashes.get(data.name, {})
            if data.name in anew:
                continue
            if data.sha256 and was.get("sha256") and data.sha256 != was["sha256"]:
                raise UserError(
                    f"data.{data.name} is not what stage {stage.name} of this run was begun with: "
                    f"{recipe.data_folder(data.name) / 'rows.jsonl'} has {data.rows:,} rows (sha256 "
                    f"{data.sha256[:12]}...), and had {was['rows']:,} ({was['sha256'][:12]}...). Put the old rows "
                    f"back, or write name=ANOTHER_NAME for a run over the new ones, or remove {recipe.run_folder}"
                )


def begun(recipe: Recipe, fingerprint: str) -> bool:
    """Does the store hold anything that was learnt in the stage with this fingerprint?"""
    store = recipe.stage_store(fingerprint)
    return (store / "checkpoint").exists() or any((store / "resume").glob("step*"))
