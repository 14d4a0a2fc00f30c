"""A run goes on over the data that it was begun with, and its checkpoints are asked the same questions.

A training set is known by the hash of its rows, which holds the names of its pictures and not what is in them.
"""

from data_builders.shared.files import read_json
from evaluation.scoring.score_files import read_scores
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.recipe import Recipe
from fgtrain.training.resume_files import points


def refuse_changed_data(recipe: Recipe, plan: Plan) -> None:
    """UserError when the rows of a stage that this run has begun are not those of the plan that it began with."""
    path = recipe.run_folder / "plan.json"
    if not path.is_file():
        return
    # As plain values: a plan of an earlier version may have other keys.
    stages = {stage["name"]: stage for stage in read_json(path).get("stages", ())}
    for stage in plan.stages:
        before = stages.get(stage.name)
        if before is None or not begun(recipe, before["fingerprint"]):
            continue
        hashes = {data["name"]: data for data in before["data"]}
        for data in stage.data:
            was = hashes.get(data.name, {})
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
    return (store / "checkpoint").exists() or bool(points(store / "resume"))


def refuse_changed_questions(recipe: Recipe) -> None:
    """UserError when two checkpoints of the run were asked different questions under the name of one task."""
    first: dict[str, tuple[str, str]] = {}  # task -> (checkpoint, hash of its questions)
    for checkpoint in read_scores(recipe.run_folder)["checkpoints"]:
        for task, found in checkpoint.get("questions", {}).items():
            earlier, known = first.setdefault(task, (checkpoint["name"], found))
            if found != known:
                raise UserError(
                    f"task {task}: its question file was changed after checkpoint {earlier} was asked and before "
                    f"{checkpoint['name']} was; their scores cannot be compared. Ask both again, with "
                    f"--evaluate {earlier} and --evaluate {checkpoint['name']}: answers to the same prompts are kept"
                )
