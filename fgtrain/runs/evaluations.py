"""Evaluations of checkpoints: what decides one, where it lies in the store, and a run's scores.json out of them.

<runs_root>/.stages/<fingerprint>/evaluations/<identity>.json   scores of one checkpoint, for every run that asks it so
<run>/scores.json                                               those of its checkpoints, put together
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_builders.build import outdated
from data_builders.shared.files import write_json
from data_builders.shared.state_files import read_checked, write_checked
from evaluation.perturbing import perturbed_tasks
from evaluation.scoring.score_files import TaskScore
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import Task, questions_hash
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.plan.checkpoints import features_at, judged_at
from fgtrain.plan.facts import ModelFacts
from fgtrain.plan.fingerprint import model_fingerprint
from fgtrain.plan.versions import asking_code
from fgtrain.recipe import START, Recipe

from .groups import evaluation_in_groups
from .held_out import note_sides, with_seen
from .judged import judged_path, with_verdicts
from .metrics import offsets
from .watched import trained_samples, trained_steps

FOLDER = "evaluations"


def asked(recipe: Recipe) -> tuple[str, ...]:
    """The checkpoints that are scored in full, in the order of training."""
    if not recipe.evaluation.tasks:
        return ()
    return tuple(name for name in (START, *recipe.enabled_stages) if name in recipe.evaluation.at)


def tasks_of(recipe: Recipe) -> list[Task]:
    """The recipe's tasks, plain. UserError when a question file is missing (naming the command that builds it)."""
    return load_tasks(list(recipe.evaluation.tasks), recipe.evaluation_folders())


def all_tasks_of(recipe: Recipe) -> list[Task]:
    """What a full evaluation asks: the recipe's tasks, then those about perturbed pictures. UserError as `tasks_of`,
    and for pictures that cannot be perturbed so."""
    tasks = tasks_of(recipe)
    return [*tasks, *perturbed_tasks(tasks, recipe.evaluation.perturb)]


def start_fingerprint(recipe: Recipe, facts: ModelFacts) -> str:
    """Of the untrained model. The fresh projector follows from the seed."""
    return f"start-{model_fingerprint(recipe, facts)}-{recipe.seed}"


Perturb = tuple[tuple[str, tuple[str, ...]], ...]  # (tasks, perturbations) of `evaluation.perturb`


@lru_cache(maxsize=256)
def question_hashes(tasks: tuple[str, ...], folders: tuple[Path, ...], perturb: Perturb = ()) -> dict[str, str]:
    """Task -> hash of its questions, once a process. UserError when a question file is missing."""
    found = load_tasks(list(tasks), list(folders))
    return {task.name: questions_hash(task) for task in (*found, *perturbed_tasks(found, dict(perturb)))}


def asked_questions(recipe: Recipe) -> dict[str, str]:
    """The same of all that a full evaluation asks."""
    evaluation = recipe.evaluation
    return question_hashes(evaluation.tasks, tuple(recipe.evaluation_folders()), tuple(evaluation.perturb.items()))


def identity(recipe: Recipe, questions: dict[str, str]) -> dict[str, Any]:
    """What decides the scores of a checkpoint beside its weights. `questions`: task -> hash."""
    evaluation = recipe.evaluation
    subset = evaluation.subset if evaluation.every_steps else None
    return {
        "tasks": questions,
        "subset": subset,
        "limit": evaluation.limit,
        "precision": recipe.devices.precision,
        "engine": evaluation.engine,
        "code": asking_code(evaluation.engine).hash,
    }


def evaluation_path(recipe: Recipe, store: Path, questions: dict[str, str]) -> Path:
    """Where the evaluation of the checkpoint in `store` lies, whoever has made it."""
    text = json.dumps(identity(recipe, questions), sort_keys=True)
    return store / FOLDER / f"{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.json"


def answers_folder(recipe: Recipe, store: Path) -> Path:
    """Where the answers of the checkpoint in `store` lie, each engine's by themselves."""
    return store / ("answers" if recipe.evaluation.engine == "own" else f"answers-{recipe.evaluation.engine}")


def evaluated(recipe: Recipe, store: Path) -> bool:
    """Were just these tasks asked of the checkpoint in `store`? No, where the question files are yet to be built."""
    try:
        if sets_outdated(recipe):
            return False
        questions = asked_questions(recipe)
    except UserError:
        return False
    return kept_evaluation(evaluation_path(recipe, store, questions)) is not None


def kept_evaluation(path: Path) -> dict[str, Any] | None:
    """An evaluation in the store; None where there is none. One that was cut off or altered is none, and is said: its
    answers are scored again."""
    return read_checked(path)


def judged(recipe: Recipe, store: Path) -> bool:
    """Are just these answers of the checkpoint in `store` judged? No, where the question files are yet to be built."""
    if not evaluated(recipe, store):
        return False
    questions = asked_questions(recipe)
    return judged_path(evaluation_path(recipe, store, questions), recipe).is_file()


def sets_outdated(recipe: Recipe) -> bool:
    """Will anything that the recipe builds first be built anew: is its builder's code or its source another?"""
    items = recipe.prepare
    return any(outdated(recipe.path(one.out), one.what, recipe.filled(one.options)) for one in items)


def stores(recipe: Recipe, plan: Plan, start: str) -> dict[str, Path]:
    """Checkpoint -> its folder in the store. `start`: the untrained model's fingerprint."""
    return {START: recipe.stage_store(start)} | {
        stage.name: recipe.stage_store(stage.fingerprint) for stage in plan.stages
    }


def write_evaluation(path: Path, scores: dict[str, TaskScore], subset: list[dict], about: dict[str, Any]) -> None:
    """`subset`: rows of metrics.jsonl of the fixed subset; `about`: model hash, questions, code and versions."""
    tasks = {name: score.to_json() for name, score in scores.items()}
    write_checked(path, {**about, "tasks": tasks, "subset": subset})


def found_evaluations(recipe: Recipe, plan: Plan, start: str) -> dict[str, dict]:
    """Checkpoint -> its evaluation, of those that the recipe asks and that are there by now, in the order of training;
    a judge's scores stand behind the rules' own as soon as they are there, and where categories are held out scores
    are also given for seen and unseen ones.

    UserError when a question file is missing.
    """
    if not asked(recipe):
        return {}
    questions = asked_questions(recipe)
    found: dict[str, dict] = {}
    for name, store in stores(recipe, plan, start).items():
        path = evaluation_path(recipe, store, questions)
        if name in asked(recipe) and (kept := kept_evaluation(path)) is not None:
            found[name] = kept
            if name in judged_at(recipe):
                found[name] = with_verdicts(found[name], judged_path(path, recipe))
            found[name] = with_seen(recipe, found[name], path, answers_folder(recipe, store))
            found[name] = evaluation_in_groups(recipe, found[name])
    return found


def assemble_scores(recipe: Recipe, plan: Plan, found: dict[str, dict]) -> None:
    """Write the run's scores.json out of its evaluations; of a run that asks nothing and measures features, the
    checkpoints alone."""
    before = offsets(plan)
    entries = []
    bare = {} if recipe.evaluation.tasks else {name: {"tasks": {}} for name in features_at(recipe)}
    for name, one in (found or bare).items():
        stage = None if name == START else plan.stage(name)
        entry = {
            "name": name,
            "stage": stage.name if stage is not None else None,
            "samples_seen": 0 if stage is None else before[stage.name] + (trained_samples(stage) or 0),
            "step": 0 if stage is None else trained_steps(stage) or 0,
            **{key: value for key, value in one.items() if key != "subset"},
        }
        entries.append(entry)
    if entries:
        write_json(recipe.run_folder / "scores.json", {"run": recipe.name, "checkpoints": entries})
        note_sides(recipe)
