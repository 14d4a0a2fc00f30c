"""Asks one checkpoint all that a recipe asks, by all processes of the job; also the subset while a stage trains."""

from collections.abc import Callable
from pathlib import Path

from data_builders.shared.files import write_json
from data_builders.shared.made_with import made_with
from data_builders.shared.terminal import say
from evaluation.asking import Share, evaluate
from evaluation.scoring.matching import JUDGE
from evaluation.scoring.score_files import TaskScore
from evaluation.tasks.task import questions_hash
from fgtrain.data import FeatureCache
from fgtrain.model import LVLM
from fgtrain.plan import Plan
from fgtrain.plan.versions import asking_code
from fgtrain.processes import Group
from fgtrain.recipe import START, Recipe
from fgtrain.runs.evaluations import (
    all_tasks_of,
    answers_folder,
    evaluation_path,
    kept_evaluation,
    tasks_of,
    write_evaluation,
)
from fgtrain.runs.folder import link
from fgtrain.runs.metrics import eval_rows
from fgtrain.runs.subset import SUBSET_ROWS, subset_folder
from fgtrain.runs.tracking import send_evaluations
from fgtrain.training.answerer import ModelAnswerer

from .inputs import CachedEncoder, encoder_of, final_plan, job_device, model_at, question_cache
from .serving import ask_served
from .watch import StageWatch


def evaluate_checkpoint(recipe: Recipe, group: Group, checkpoint: str, start: str, runs: list[str]) -> None:
    """Ask the checkpoint and leave its scores in the store, for every run that asks it the same.

    `start`: the untrained model's fingerprint; `runs`: names of the runs whose W&B runs are told. UserError when the
    checkpoint is not there, or a question file is not.
    """
    plan = final_plan(recipe)
    store = recipe.stage_store(start if checkpoint == START else plan.stage(checkpoint).fingerprint)
    waiting = f"evaluation of {checkpoint}: another run is asking the same checkpoint; waiting for it"
    with group.locked(store / ".evaluation.lock", waiting):
        _ask(recipe, plan, group, checkpoint, store)
    if group.first:
        send_evaluations(recipe, plan, start, checkpoint, runs)


def _ask(recipe: Recipe, plan: Plan, group: Group, checkpoint: str, store: Path) -> None:
    tasks = all_tasks_of(recipe)
    questions = {task.name: questions_hash(task) for task in tasks}
    path = evaluation_path(recipe, store, questions)
    if group.agree(lambda: kept_evaluation(path) is not None):
        if group.first:
            say(f"evaluation: {checkpoint}, done before")
        return
    if group.first:
        link(recipe.run_folder / "answers" / checkpoint, answers_folder(recipe, store))
        say(f"evaluation: {checkpoint}")
    evaluation, share = recipe.evaluation, Share(group.rank, group.size)
    scores, weights, own = {}, None, tasks
    if evaluation.engine == "vllm" and (asked := [task for task in tasks if not task.needs_probabilities]):
        scores, weights = ask_served(recipe, plan, group, checkpoint, store, asked)
        own = [task for task in tasks if task.needs_probabilities]
    # The curves in between need both ends, asked as they are. Judged tasks keep their reasons of the whole.
    plain = [task for task in tasks if task.plain_name == task.name]
    ends = [task for task in plain if JUDGE not in task.rules] if evaluation.every_steps else []
    part: dict[str, TaskScore] = {}
    if own or ends:
        lvlm = model_at(recipe, plan, checkpoint, job_device(recipe, group.local_rank))
        features = question_cache(recipe, plan, encoder_of(lvlm))
        answerer = answerer_of(recipe, lvlm, checkpoint, None, features)
        weights, batch_size = weights or answerer.model_hash, evaluation.batch_size
        with answerer.prepared(keep=False):  # the job has no other use for the model
            if own:
                answers = answers_folder(recipe, store)
                scores |= evaluate(answerer, own, answers, evaluation.limit, batch_size, share=share)
            if ends and own is not tasks:
                part = evaluate(answerer, ends, store / "answers", evaluation.subset, batch_size, share=share)
        if ends and own is tasks and group.first:  # all of it is answered
            part = evaluate(answerer, ends, store / "answers", evaluation.subset, batch_size)
    if not group.first:
        return
    scores = {task.name: scores[task.name] for task in tasks if task.name in scores}
    code = asking_code(evaluation.engine).hash
    about = {"model_hash": weights, "questions": questions, "made_with": made_with(code)}
    write_evaluation(path, scores, eval_rows(part, None, 0, 0, subset=True), about)


def answerer_of(
    recipe: Recipe, lvlm: LVLM, name: str, model_hash: str | None, features: FeatureCache | None
) -> ModelAnswerer:
    return ModelAnswerer(
        lvlm,
        f"{recipe.name}/{name}",
        model_hash=model_hash,
        features=features,
        precision=recipe.devices.precision,
    )


class SubsetQuestions:
    """The fixed subset that is asked of a stage while it trains."""

    def __init__(self, recipe: Recipe, plan: Plan, stage: str, folder: Path, encoder: CachedEncoder) -> None:
        """UserError when a question file is missing. `folder`: for answers and rows."""
        self.recipe, self.plan, self.stage = recipe, plan, stage
        self.tasks = tasks_of(recipe)
        self.features = question_cache(recipe, plan, encoder)
        self.folder = folder

    def watch(self) -> StageWatch | None:
        """Who decides by the answers; None where nobody does."""
        if not self.recipe.stages[self.stage].watched:
            return None
        return StageWatch(self.recipe, self.plan.stage(self.stage), self.tasks, self.folder)

    def asking(self, lvlm: LVLM) -> Callable[[int, int, int], list[dict]]:
        """A function that asks the subset at a step and leaves answers and rows in `folder`.

        It is called as (step, rank, ranks) by every process, which asks its share; the first one returns the rows.
        """

        def ask(step: int, rank: int, ranks: int) -> list[dict]:
            # The weights of a step follow from the fingerprint, so hashing them again and again is not needed.
            planned = self.plan.stage(self.stage)
            known = f"{planned.fingerprint}/{step}"
            answerer = answerer_of(self.recipe, lvlm, f"{self.stage} step {step}", known, self.features)
            evaluation, out, share = self.recipe.evaluation, self.folder / f"step{step:08d}", Share(rank, ranks)
            with answerer.prepared():
                scores = evaluate(answerer, self.tasks, out, evaluation.subset, evaluation.batch_size, share=share)
            if not share.first:
                return []
            if step in (0, planned.steps):  # for a watch; the curves have the checkpoints' own evaluations there
                return []
            size = self.recipe.stages[self.stage].global_batch_size
            samples = min(step * size, planned.samples or 0)
            rows = eval_rows(scores, self.stage, step, samples, subset=True)
            write_json(out / SUBSET_ROWS, rows)
            return rows

        return ask


def subset_questions(
    recipe: Recipe, plan: Plan, stage: str, store: Path, encoder: CachedEncoder
) -> SubsetQuestions | None:
    """None where nothing is asked in between."""
    folder = subset_folder(recipe, store)
    return SubsetQuestions(recipe, plan, stage, folder, encoder) if folder is not None else None
