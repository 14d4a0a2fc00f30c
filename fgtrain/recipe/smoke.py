"""The same study, so small that it shows within minutes whether everything stands: every job, hardly any work."""

from dataclasses import replace
from typing import Any

from .differences import as_values
from .merge_stage import MergeStage, OtherRun
from .schema import Recipe
from .soup import other_run
from .stage_schema import Stage
from .study import Study

STEPS, QUESTIONS = 3, 5
IMAGES = 2  # training pictures of a class whose features are measured: one of them chooses the probe's head
FOLDER = "smoke"  # under runs_root


def smoke(study: Study) -> Study:
    """Three optimizer steps a stage and five questions a task, in a folder of its own; nothing is matched any more."""
    recipes = tuple(replace(one, recipe=small(one.recipe)) for one in study.recipes)
    return replace(study, recipes=recipes, matched=())


def small(recipe: Recipe) -> Recipe:
    stages = dict(recipe.stages)
    stages |= {name: one.model_copy(update={"steps": STEPS}) for name, one in stages.items() if isinstance(one, Stage)}
    for name, one in stages.items():
        if isinstance(one, MergeStage) and one.runs:
            theirs = {key: (as_values(small(other_run(one, key)[0])), run.stage) for key, run in one.runs.items()}
            runs = {key: OtherRun(recipe=values, stage=stage) for key, (values, stage) in theirs.items()}
            stages[name] = one.model_copy(update={"runs": runs})
    watched = any(one.watched for one in stages.values() if isinstance(one, Stage))
    few: dict[str, Any] = {"limit": QUESTIONS, "subset": QUESTIONS, "every_steps": 1 if watched else None}
    if (features := recipe.evaluation.features) is not None:
        attacked = QUESTIONS if "robustness" in features.measures else None
        few["features"] = features.model_copy(update={"images_per_class": IMAGES, "attack_images": attacked})
    evaluation = recipe.evaluation.model_copy(update=few)
    wandb = recipe.wandb.model_copy(update={"group": FOLDER})  # its figures are nobody's
    update = {"stages": stages, "evaluation": evaluation, "wandb": wandb}
    update["runs_root"] = f"{recipe.runs_root}/{FOLDER}"
    return recipe.model_copy(update=update)
