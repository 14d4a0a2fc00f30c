"""The same study, so small that it shows within minutes whether everything stands: every job, hardly any work."""

from dataclasses import replace

from .schema import Recipe
from .study import Study

STEPS, QUESTIONS = 3, 5
FOLDER = "smoke"  # under runs_root


def smoke(study: Study) -> Study:
    """Three optimizer steps a stage and five questions a task, in a folder of its own; nothing is matched any more."""
    recipes = tuple(replace(one, recipe=small(one.recipe)) for one in study.recipes)
    return replace(study, recipes=recipes, matched=())


def small(recipe: Recipe) -> Recipe:
    stages = {name: stage.model_copy(update={"steps": STEPS}) for name, stage in recipe.stages.items()}
    evaluation = recipe.evaluation.model_copy(update={"limit": QUESTIONS, "subset": QUESTIONS, "every_steps": None})
    wandb = recipe.wandb.model_copy(update={"group": FOLDER})  # its figures are nobody's
    update = {"stages": stages, "evaluation": evaluation, "wandb": wandb}
    update["runs_root"] = f"{recipe.runs_root}/{FOLDER}"
    return recipe.model_copy(update=update)
