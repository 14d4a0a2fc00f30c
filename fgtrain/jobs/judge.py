"""Has a model behind an endpoint, or a user's own judge, judge a checkpoint's open-world answers. Needs no torch."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from data_builders.shared.files import user_cache, write_json
from data_builders.shared.llm import Budget, BudgetSpent, Client, Endpoint
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from evaluation.asking.subset import subset_of
from evaluation.judging.answers_to_judge import AnswerFile, read_answers
from evaluation.judging.judge_answers import Judged, judge_file
from evaluation.judging.model_judge import ModelJudge
from evaluation.judging.own import OwnJudge
from evaluation.tasks.task import Task
from fgtrain.errors import UserError
from fgtrain.plan import read_plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.evaluations import answers_folder, asked_questions, evaluation_path, stores, tasks_of
from fgtrain.runs.judged import judged_path, note_paid, paid
from fgtrain.runs.tracking import send_evaluations


def judge_checkpoint(recipe: Recipe, group: Group, checkpoint: str, start: str, runs: list[str], together: str) -> None:
    """Leave verdicts and scores in the store, for every run that has the same judged by the same judge.

    `start`: the untrained model's fingerprint; `runs`: names of the runs whose W&B runs are told; `together`: where it
    is noted what was paid for all that starts together. UserError when there are no answers, the endpoint cannot be
    used, or what may be paid is spent; every verdict until then is kept.
    """
    plan = read_plan(recipe.run_folder / "plan.json")
    store = stores(recipe, plan, start)[checkpoint]
    questions = asked_questions(recipe)
    evaluation = evaluation_path(recipe, store, questions)
    if not evaluation.is_file():
        raise UserError(f"{recipe.name} has no scores of {checkpoint}. The same command asks what is open")
    path = judged_path(evaluation, recipe)
    waiting = f"answers of {checkpoint}: another run has the same judged; waiting for it"
    with group.locked(path.with_suffix(".lock"), waiting):
        if path.is_file():
            say(f"judge: {checkpoint}, done before")
        else:
            with _one_after_the_other(recipe, group, Path(together)):
                _judge(recipe, checkpoint, answers_folder(recipe, store), path, Path(together))
    send_evaluations(recipe, plan, start, checkpoint, runs, "judge")


def _one_after_the_other(recipe: Recipe, group: Group, together: Path) -> AbstractContextManager[None]:
    """Where all judging has one bound, none may begin while another one spends of it."""
    chosen = recipe.evaluation.judge
    if chosen.requests_in_all is None and chosen.tokens_in_all is None:
        return nullcontext()
    return group.locked(
        together.with_suffix(".lock"), "another checkpoint is being judged from the same budget; waiting"
    )


def _judge(recipe: Recipe, checkpoint: str, answers: Path, path: Path, together: Path) -> None:
    chosen = recipe.evaluation.judge
    wanted = [task for task in tasks_of(recipe) if {task.name, task.name.partition("/")[0]}.intersection(chosen.tasks)]
    files = [_answers(answers, task, recipe.evaluation.limit) for task in wanted]
    before, others = paid(path), paid(together)
    budget = _budget_of(recipe, before, others)
    judge = OwnJudge(chosen.own, chosen.options, "evaluation.judge.options") if chosen.own else _asked(recipe, budget)
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
        raise UserError(_spent(recipe, checkpoint, budget)) from error
    finally:
        note_paid(path, budget.requests, budget.tokens)
        with locked(together.with_suffix(".paid.lock")):  # others may note theirs
            spent = [now + used - had for now, used, had in zip(paid(together), _used(budget), before, strict=True)]
            note_paid(together, *spent)
    sent = [] if chosen.own else [f"{budget.requests - before[0]} requests sent", *judge.client.told_of_replies]
    _tell(checkpoint, done, sent)
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


def _used(budget: Budget) -> tuple[int, int]:
    return budget.requests, budget.tokens


def _spent(recipe: Recipe, checkpoint: str, budget: Budget) -> str:
    """Which bound is reached, and what to do."""
    chosen = recipe.evaluation.judge
    key = "requests" if budget.most_requests is not None and budget.requests >= budget.most_requests else "tokens"
    most, reached = getattr(chosen, key), getattr(budget, f"most_{key}")
    what = f"the verdicts on {checkpoint} of {recipe.name}"
    if most is None or reached < most:
        key, most, what = f"{key}_in_all", getattr(chosen, f"{key}_in_all"), "all verdicts that are asked for together"
    return (
        f"evaluation.judge.{key} is {most:,}, and so many were paid for {what} over all starts. Every verdict is kept: "
        f"a larger number goes on from there"
    )


def _budget_of(recipe: Recipe, before: tuple[int, int], together: tuple[int, int]) -> Budget:
    """What the judge may pay for, of which earlier starts have paid `before` already; `together`: and of what all that
    is judged together may.
    """
    chosen = recipe.evaluation.judge
    bounds = ((chosen.requests, chosen.requests_in_all), (chosen.tokens, chosen.tokens_in_all))
    most = [
        _least(alone, None if in_all is None else had + in_all - all_had)
        for (alone, in_all), had, all_had in zip(bounds, before, together, strict=True)
    ]
    budget = Budget(*most)
    budget.requests, budget.tokens = before
    return budget


def _asked(recipe: Recipe, budget: Budget) -> ModelJudge:
    """The model behind the endpoint."""
    chosen = recipe.evaluation.judge
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
    return ModelJudge(Client(endpoint), with_image=chosen.with_image)


def _least(*bounds: int | None) -> int | None:
    """None stands for no bound."""
    return min((bound for bound in bounds if bound is not None), default=None)


def _tell(checkpoint: str, done: list[Judged], told: list[str]) -> None:
    judged, unjudged = sum(len(one.rows) for one in done), sum(len(one.unjudged) for one in done)
    left = f", {unjudged} got no verdict" if unjudged else ""
    say("; ".join([f"judge: {checkpoint}, {judged} answers judged{left}", *told]))
