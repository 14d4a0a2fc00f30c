"""One part of a recipe at a time, as the jobs of a cluster do them: the same work as `run_recipe`, in several starts.

Parts of one run may be at work side by side (a checkpoint is asked while the next stage trains). What a part starts
from must be done; it is never done on the way, so that two jobs do not train the same stage.
"""

from contextlib import nullcontext
from pathlib import Path

from evaluation.asking import Share
from evaluation.scoring.score_files import read_scores
from evaluation.tasks.task import load_tasks
from fgtrain.errors import UserError
from fgtrain.model import load_checkpoint
from fgtrain.plan import Plan, write_plan
from fgtrain.recipe import START, Recipe
from fgtrain.recipe.problems import instead
from fgtrain.training.ranks import rank

from . import figures, tracking
from .evaluate import Evaluator
from .folder import claimed, link, stage_done
from .launch import Word
from .planned import planned
from .runnable import refuse_missing_gpus, refuse_what_cannot_run
from .story import begin, do_stage, evaluation_features, finish, start_store
from .unchanged import refuse_changed_data, refuse_changed_questions


def prepare(recipe: Recipe) -> None:
    """Build or find the data, check every row and question file. One process; needs no GPU."""
    refuse_what_cannot_run(recipe)
    if rank() != 0:
        return
    with claimed(recipe, "prepare"):
        begin(recipe, Word(recipe.run_folder, "prepare"))
        if recipe.evaluation.tasks:
            load_tasks(list(recipe.evaluation.tasks), recipe.evaluation_folders())


def train_stage(recipe: Recipe, name: str) -> None:
    """Train one stage, which starts from the checkpoint of the one before; returns at once if it is in the store.

    UserError when there is no such stage or the one before is not done.
    """
    if name not in recipe.enabled_stages:
        raise UserError(f"--only {name}: {recipe.name} has no such stage. {instead(name, recipe.enabled_stages)}")
    refuse_what_cannot_run(recipe)
    refuse_missing_gpus(recipe.devices)
    part = f"only-{name}"
    word = Word(recipe.run_folder, part)
    with claimed(recipe, part) if word.first else nullcontext():
        lvlm, data, plan = begin(recipe, word)
        stage = plan.stage(name)
        before = plan.stages[: plan.stages.index(stage)]
        if word.first:
            require_stages(recipe, plan, [earlier.name for earlier in before])
        evaluator, tracker = None, None
        if recipe.evaluation.every_steps:
            evaluator = Evaluator(recipe, plan, evaluation_features(recipe, lvlm))
        if word.first:
            tracker = tracking.start(recipe, plan, recipe.run_folder)
            word.tell("prepared")
        for one in (*before[-1:], stage):
            lvlm = do_stage(recipe, one, lvlm, data[one.name], word, evaluator, tracker)
        if tracker is not None:
            figures.assemble(recipe.run_folder, plan)
            tracker.finish()


def evaluate_checkpoint(recipe: Recipe, name: str) -> None:
    """Ask one checkpoint everything and enter its scores; several processes share the questions.

    UserError when evaluation.at does not name it, or when its stage is not done.
    """
    asked = list(recipe.evaluation.at) if recipe.evaluation.tasks else []
    if name not in asked:
        raise UserError(f"--evaluate {name}: evaluation.at of {recipe.name} does not name it. {instead(name, asked)}")
    refuse_what_cannot_run(recipe)
    part = f"evaluate-{name}"
    word = Word(recipe.run_folder, part)
    with claimed(recipe, part) if word.first else nullcontext():
        lvlm, _, plan = begin(recipe, word)
        if word.first and name != START:
            require_stages(recipe, plan, [name])
        evaluator = Evaluator(recipe, plan, evaluation_features(recipe, lvlm))
        if word.first:  # only now: the others find the encoder's outputs in the cache
            word.tell("prepared")
        store = start_store(recipe) if name == START else recipe.stage_store(plan.stage(name).fingerprint)
        if name != START:
            lvlm = load_checkpoint(store / "checkpoint", verify=False)  # stage_done has
        evaluator.full(lvlm, name, store, Share.from_environment())
        if word.first:
            figures.assemble(recipe.run_folder, plan)


def report(recipe: Recipe) -> Path | None:
    """Put the figures of all stages together and write the report; returns its path, None where nothing is evaluated.

    Needs no model. UserError when a stage is not done or a checkpoint has no scores.
    """
    if rank() != 0:
        return None
    with claimed(recipe, "report"):
        plan = planned(recipe)
        refuse_changed_data(recipe, plan)
        require_stages(recipe, plan, [stage.name for stage in plan.stages])
        require_scores(recipe)
        if (recipe.run_folder / "scores.json").exists():
            refuse_changed_questions(recipe)
        if not (recipe.run_folder / "plan.json").exists():  # else of a part that has counted the tokens as well
            write_plan(plan, recipe.run_folder / "plan.json")
        tracker = tracking.start(recipe, plan, recipe.run_folder)
        for stage in plan.stages:
            tracker.stage(figures.stage_rows(recipe.run_folder, stage.name))
        return finish(recipe, plan, tracker)


def require_stages(recipe: Recipe, plan: Plan, names: list[str]) -> None:
    """UserError unless all of them are in the store; links the run's folders to them."""
    for name in names:
        store = recipe.stage_store(plan.stage(name).fingerprint)
        if not stage_done(recipe, plan.stage(name).fingerprint):
            raise UserError(
                f"stage {name} of {recipe.name} is not done: no checkpoint at {store / 'checkpoint'}. "
                f"Do it first, with --only {name} in place of what you wrote"
            )
        link(recipe.run_folder / name, store)


def require_scores(recipe: Recipe) -> None:
    """UserError unless every checkpoint that the recipe asks has scores."""
    wanted = recipe.evaluation.at if recipe.evaluation.tasks else ()
    path = recipe.run_folder / "scores.json"
    known = {entry["name"] for entry in read_scores(path)["checkpoints"]} if path.exists() else set()
    if missing := [name for name in wanted if name not in known]:
        raise UserError(
            f"{recipe.name} has no scores of {', '.join(missing)} yet. "
            f"Ask first, with --evaluate {missing[0]} in place of what you wrote"
        )
