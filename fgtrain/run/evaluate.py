"""Asks a checkpoint all questions, or a fixed subset, and keeps the answers where all runs find them."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from data_builders.shared.files import read_json, write_json
from evaluation.asking import Share, evaluate, subset_of
from evaluation.judging.deterministic import JUDGE
from evaluation.scoring.score_files import add_checkpoint
from evaluation.tasks.task import Task, load_tasks, questions_hash
from fgtrain.data import FeatureCache, ImageRef
from fgtrain.errors import UserError
from fgtrain.model import LVLM
from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe
from fgtrain.training.answerer import ModelAnswerer

from .figures import SUBSET, SUBSET_ROWS, eval_rows, offsets
from .folder import link, locked


def device_of(recipe: Recipe) -> torch.device:
    """Where the model is asked: a GPU (of several processes on a node each its own), unless the recipe forbids it."""
    if recipe.devices.accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
    return torch.device("cuda", local % torch.cuda.device_count())


def marker(recipe: Recipe, checkpoint: str) -> Path:
    """The file that says what the scores of this checkpoint are of."""
    return recipe.run_folder / ".parts" / f"evaluated-{checkpoint}.json"


def identity(recipe: Recipe, stored: str, questions: dict[str, str]) -> dict:
    """What decides the scores of the checkpoint in the store's folder `stored`. `questions`: task -> hash."""
    evaluation = recipe.evaluation
    decides = {"checkpoint": stored, "tasks": list(evaluation.tasks), "data": list(evaluation.data)}
    return decides | {"questions": questions}


def evaluated(recipe: Recipe, checkpoint: str, stored: str) -> bool:
    """Were just these tasks asked of the checkpoint in the store's folder `stored`?"""
    path = marker(recipe, checkpoint)
    scored = (recipe.run_folder / "scores.json").exists()
    if not scored or not path.exists() or (was := read_json(path)).get("checkpoint") != stored:
        return False
    try:
        return was == identity(recipe, stored, hashes(load_tasks(*asked_by(recipe))))
    except UserError:  # question files are gone: the job that builds them comes first
        return False


def asked_by(recipe: Recipe) -> tuple[list[str], list[Path]]:
    """(tasks, data folders) of the recipe, as `load_tasks` takes them."""
    return list(recipe.evaluation.tasks), recipe.evaluation_folders()


def hashes(tasks: list[Task]) -> dict[str, str]:
    """Task -> hash of its questions."""
    return {task.name: questions_hash(task) for task in tasks}


class Evaluator:
    """The recipe's tasks, loaded once, asked of one checkpoint after the other."""

    def __init__(self, recipe: Recipe, plan: Plan, features: FeatureCache | None) -> None:
        """UserError when a question file is missing (naming the command that builds it)."""
        self.recipe, self.plan, self.features = recipe, plan, features
        self.tasks: list[Task] = []
        if recipe.evaluation.tasks:
            self.tasks = load_tasks(*asked_by(recipe))
        self.questions = hashes(self.tasks)
        if features is not None:
            images = {item.image_path for task in self.tasks for item in task.items if item.image_path is not None}
            features.ensure(map(ImageRef, sorted(images)), "evaluation: image features")

    def full(self, lvlm: LVLM, checkpoint: str, store: Path, share: Share = Share()) -> list[dict]:
        """Ask everything of the model after stage `checkpoint` (or at the start) and enter it in scores.json.

        Returns the rows of metrics.jsonl that follow, of all questions and of the subset; none where nothing is asked.
        `store`: the folder of the stage that made it, shared by all runs with the same fingerprint. `share`: this
        process's part of the questions; the first one enters the scores.
        """
        if not self.tasks or checkpoint not in self.recipe.evaluation.at:
            return []
        if share.first:
            link(self.recipe.run_folder / "answers" / checkpoint, store / "answers")
        lvlm.to(device_of(self.recipe)).eval()
        answerer = self._answerer(lvlm, checkpoint)
        if share.first:
            print(f"evaluation: {checkpoint}", flush=True)
        batch_size = self.recipe.evaluation.batch_size
        scores = evaluate(answerer, self.tasks, store / "answers", None, batch_size, share=share)
        if not share.first:
            return []
        stage = None if checkpoint == START else checkpoint
        samples, step = 0, 0
        if stage is not None:
            planned = self.plan.stage(stage)
            samples, step = offsets(self.plan)[stage] + (planned.samples or 0), planned.steps or 0
        waiting = "scores.json: another checkpoint of this run is being entered; waiting"
        with locked(self.recipe.run_folder / ".parts" / "scores.lock", waiting):
            add_checkpoint(
                self.recipe.run_folder,
                checkpoint,
                stage=stage,
                samples_seen=samples,
                step=step,
                model_hash=answerer.model_hash,
                scores=scores,
                questions=self.questions,
            )
            write_json(marker(self.recipe, checkpoint), identity(self.recipe, store.name, self.questions))
        rows = eval_rows(scores, stage, step, samples, subset=False)
        if self.recipe.evaluation.every_steps:
            # The curves in between need both ends. All is answered; judged tasks keep their reasons of the whole.
            tasks = [task for task in self.tasks if JUDGE not in task.rules]
            part = evaluate(answerer, tasks, store / "answers", self.recipe.evaluation.subset, batch_size)
            part_rows = eval_rows(part, stage, step, samples, subset=True)
            write_json(self.recipe.run_folder / SUBSET / f"{checkpoint}.json", part_rows)
            rows += part_rows
        return rows

    def subset_folder(self, store: Path) -> Path:
        """The folder in a stage's store for the subset that this recipe asks. It bears a hash of the questions: recipes
        that share the stage but ask others do not see each other's."""
        size = self.recipe.evaluation.subset
        chosen = {task.name: questions_hash(replace(task, items=subset_of(task, size))) for task in self.tasks}
        key = hashlib.blake2b(json.dumps(chosen, sort_keys=True).encode(), digest_size=8).hexdigest()
        return store / SUBSET / key

    def link_subset(self, stage: str, store: Path) -> None:
        """Show that folder as <run>/subset/<stage>; where nothing is asked in between there is none."""
        place = self.recipe.run_folder / SUBSET / stage
        if self.tasks and self.recipe.evaluation.every_steps:
            link(place, self.subset_folder(store))
        elif place.is_symlink():  # of an earlier start that did ask
            place.unlink()

    def subset(self, lvlm: LVLM, stage: str, fingerprint: str, folder: Path) -> Callable[[int, int, int], list[dict]]:
        """A function that asks the fixed subset at a step of `stage` and leaves answers and rows in `folder`.

        It is called as (step, rank, ranks) by every process, which asks its share; the first one returns the rows.
        """

        def ask(step: int, rank: int, ranks: int) -> list[dict]:
            # The weights of a step follow from the fingerprint, so hashing them again and again is not needed.
            answerer = self._answerer(lvlm, f"{stage} step {step}", f"{fingerprint}/{step}")
            evaluation, out, share = self.recipe.evaluation, folder / f"step{step:08d}", Share(rank, ranks)
            scores = evaluate(answerer, self.tasks, out, evaluation.subset, evaluation.batch_size, share=share)
            if not share.first:
                return []
            size = self.recipe.stages[stage].global_batch_size
            samples = min(step * size, self.plan.stage(stage).samples or 0)
            rows = eval_rows(scores, stage, step, samples, subset=True)
            write_json(out / SUBSET_ROWS, rows)
            return rows

        return ask

    def _answerer(self, lvlm: LVLM, name: str, model_hash: str | None = None) -> ModelAnswerer:
        return ModelAnswerer(
            lvlm,
            f"{self.recipe.name}/{name}",
            model_hash=model_hash,
            features=self.features,
            precision=self.recipe.devices.precision,
        )
