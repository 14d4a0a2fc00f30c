"""Has a model behind an endpoint judge a checkpoint's open-world answers. Needs no model here, and no torch."""

from dataclasses import replace
from pathlib import Path

from data_builders.shared.files import user_cache, write_json
from data_builders.shared.llm import Budget, BudgetSpent, Client, Endpoint
from data_builders.shared.terminal import say
from evaluation.asking.subset import subset_of
from evaluation.judging.answers import AnswerFile, read_answers
from evaluation.judging.model import ModelJudge
from evaluation.judging.run import Judged, judge_file
from evaluation.tasks.task import Task
from fgtrain.errors import UserError
from fgtrain.plan import read_plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.evaluations import answers_folder, evaluation_path, question_hashes, stores, tasks_of
from fgtrain.runs.judged import judged_path, note_paid, paid
from fgtrain.runs.tracking import send_evaluations


def judge_checkpoint(recipe: Recipe, group: Group, checkpoint: str, start: str, runs: list[str]) -> None:
    """Leave verdicts and scores in the store, for every run that has the same judged by the same judge.

    `start`: the untrained model's fingerprint; `runs`: names of the runs whose W&B runs are told. UserError when there
    are no answers, the endpoint cannot be used, or what may be paid is spent; every verdict until then is kept.
    """
    plan = read_plan(recipe.run_folder / "plan.json")
    store = stores(recipe, plan, start)[checkpoint]
    questions = question_hashes(recipe.evaluation.tasks, tuple(recipe.evaluation_folders()))
    evaluation = evaluation_path(recipe, store, questions)
    if not evaluation.is_file():
        raise UserError(f"{recipe.name} has no scores of {checkpoint}. The same command asks what is open")
    path = judged_path(evaluation, recipe)
    waiting = f"answers of {checkpoint}: another run has the same judged; waiting for it"
    with group.locked(path.with_suffix(".lock"), waiting):
        if path.is_file():
            say(f"judge: {checkpoint}, done before")
        else:
            _judge(recipe, checkpoint, answers_folder(recipe, store), path)
    send_evaluations(recipe, plan, start, checkpoint, runs, "judge")


def _judge(recipe: Recipe, checkpoint: str, answers: Path, path: Path) -> None:
    chosen = recipe.evaluation.judge
    wanted = [task for task in tasks_of(recipe) if {task.name, task.name.partition("/")[0]}.intersection(chosen.tasks)]
    files = [_answers(answers, task, recipe.evaluation.limit) for task in wanted]
    before = paid(path)
    judge, budget = _judge_of(recipe, before)
    for one in files:
        judge.check(one.candidates)  # all, before the first request is paid
    done = []
    try:
        for one in files:
            judged, error = judge_file(one, judge)
            if error is None and judged.unjudged:  # what stood in the way may have passed; verdicts are kept
                judged, error = judge_file(one, judge)
            if error is not None:
                raise error
            done.append(judged)
    except BudgetSpent as error:
        key, most = "requests", chosen.requests
        if budget.requests < most:
            key, most = "tokens", chosen.tokens
        raise UserError(
            f"evaluation.judge.{key} is {most:,}, and so many were paid for the verdicts on {checkpoint} of "
            f"{recipe.name} over all starts. Every verdict is kept: a larger number goes on from there"
        ) from error
    finally:
        note_paid(path, budget.requests, budget.tokens)
    _tell(checkpoint, done, [f"{budget.requests - before[0]} requests sent", *judge.client.told_of_replies])
    tasks = {one.score.task: one.score.to_json() for one in done if one.score is not None}
    if not tasks:
        raise UserError(f"no answer of {checkpoint} got a verdict: {done[0].unjudged[0]['unjudged']}")
    unjudged = {one.answers.task.name: len(one.unjudged) for one in done}
    write_json(path, {"judge": judge.identity.fields(), "tasks": tasks, "unjudged": unjudged})


def _answers(folder: Path, task: Task, limit: int | None) -> AnswerFile:
    """The task's answers; of those that other runs have asked for beyond `limit`, none."""
    found = read_answers(folder / task.file_name, {task.name: task})
    asked = {(item.image, item.question) for item in subset_of(task, limit)}
    return replace(found, candidates=tuple(one for one in found.candidates if one.key in asked), total=len(asked))


def _judge_of(recipe: Recipe, before: tuple[int, int]) -> tuple[ModelJudge, Budget]:
    """The judge, and what it may pay for, of which earlier starts have paid `before` already."""
    chosen = recipe.evaluation.judge
    budget = Budget(chosen.requests, chosen.tokens)
    budget.requests, budget.tokens = before
    endpoint = Endpoint(
        model=chosen.model,
        cache=user_cache(),  # the command's own: whoever has paid for a verdict, it is not paid again
        base_url=chosen.base_url,
        key_variable=chosen.key_variable,
        budget=budget,
        requests_per_minute=chosen.requests_per_minute,
        concurrency=chosen.concurrency,
        timeout_seconds=chosen.timeout_seconds,
        temperature=chosen.temperature,
        max_tokens=chosen.max_tokens,
        accept_no_finish_reason=chosen.accept_no_finish_reason,
    )
    return ModelJudge(Client(endpoint), with_image=chosen.with_image), budget


def _tell(checkpoint: str, done: list[Judged], told: list[str]) -> None:
    judged, unjudged = sum(len(one.rows) for one in done), sum(len(one.unjudged) for one in done)
    left = f", {unjudged} got no verdict" if unjudged else ""
    say(f"judge: {checkpoint}, {judged} answers judged{left}; {'; '.join(told)}")
