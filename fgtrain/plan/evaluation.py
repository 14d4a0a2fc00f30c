"""What asking costs: questions and images to arithmetic and time, for every checkpoint that is scored. Pure but for
reading the published counts.

An image and what stands before it is read once for all of its questions; then each question is read and its answer
written. Reading is bound by arithmetic. Writing goes token by token through all weights, so it is bound by the
device's memory: bytes of weights / bytes per second, for each token of a batch's longest answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import yaml

from evaluation.tasks.task import CONDITION
from fgtrain.recipe import START, Recipe

from .cost import ASSUMED_MFU, ModelShape
from .encoder import evaluation_uses_encoder_cache
from .facts import ModelFacts
from .known_facts import FOLDER
from .peak import Peak
from .schema import EvaluationPlan, StagePlan

# Bytes that go through memory for each weight and token. In half precision the fp32 weights are cast in each pass:
# read, written as half, read again.
BYTES_A_WEIGHT = {"fp32": 4, "bf16": 8}
MAKE_QUESTIONS = ("drawn", "fgbmk", "frow")  # builders of question files other than the published ones
CHARACTERS_A_TOKEN = 4  # of English, usually


@dataclass(frozen=True)
class Asked:
    """What one entry of `evaluation.tasks` asks. Sizes and tokens are averages."""

    questions: int
    images: int  # distinct
    files: int = 1  # tasks that the entry means; each has `evaluation.limit` questions at most
    width: int = 512
    height: int = 512
    prompt_tokens: int = 40
    answer_tokens: int = 12  # of the longest answer in a batch
    list_tokens: int = 0  # of all names of a list, read behind each question
    groups: tuple[str, ...] = ()  # of its tasks with a score in percent, where their files are here

    def limited(self, limit: int | None) -> "Asked":
        """Of so many questions a file at most; they are drawn over all images."""
        if limit is None:
            return self
        questions = min(self.questions, limit * self.files)
        return replace(self, questions=questions, images=min(self.images, questions))


@cache
def published() -> dict[str, Asked]:
    """Entry of `evaluation.tasks` -> what it asks where all of the benchmark is here."""
    values = yaml.safe_load((FOLDER / "questions.yaml").read_text(encoding="utf-8"))
    return {name: Asked(**counts) for name, counts in values.items()}


def known_questions(recipe: Recipe, asked: Mapping[str, Asked]) -> dict[str, Asked]:
    """Entry of `evaluation.tasks`, or `perturbed_entries`, -> what it asks, as far as it is known: counted, else as
    published.

    A recipe that makes question files of its own asks no published ones.
    """
    own = any(item.what in MAKE_QUESTIONS and not only_wordings(item.options) for item in recipe.prepare)
    known = dict(asked) if own else published() | dict(asked)
    again = {entry: known[of] for entry, of in perturbed_entries(recipe).items() if of in known}
    return {name: one for name, one in (again | known).items() if name in (*recipe.evaluation.tasks, *again)}


def only_wordings(options: Mapping[str, Any]) -> bool:
    """Does a builder write the questions in every wording alone, which leave the published ones as they are?"""
    tracks = options.get("tracks", ())
    return (tracks.split(",") if isinstance(tracks, str) else list(tracks)) == ["wordings"]


def perturbed_entries(recipe: Recipe) -> dict[str, str]:
    """What full evaluations ask again about perturbed pictures, in the order of `evaluation.perturb`: its name, as in
    fgbmk@blur -> the tasks that it is made of.
    """
    return {
        f"{selector}{CONDITION}{condition}": selector
        for selector, conditions in recipe.evaluation.perturb.items()
        for condition in conditions
    }


def asked_of(tasks: Iterable[Any]) -> Asked:
    """What loaded tasks (`evaluation.tasks.Task`) ask together. An answer is taken to be as long as published ones."""
    tasks = list(tasks)
    items = [item for task in tasks for item in task.items]
    images = {str(item.image_path) for item in items if item.image_path is not None}
    characters = sum(len(item.prompt or "") for item in items)
    known = next((found for task in tasks if (found := published().get(task.name.split("/")[0]))), None)
    asked = known or Asked(0, 0)
    prompt = max(1, characters // (max(1, len(items)) * CHARACTERS_A_TOKEN))
    listed = sum(len(task.items) * sum(map(len, task.names)) for task in tasks)
    groups = tuple({task.group: None for task in tasks if not task.is_text})
    return replace(
        asked,
        questions=len(items),
        images=len(images),
        files=len(tasks),
        prompt_tokens=prompt,
        list_tokens=listed // (max(1, len(items)) * CHARACTERS_A_TOKEN),
        groups=groups,
    )


def questions_cached(recipe: Recipe, model: ModelFacts, asked: Mapping[str, Asked]) -> bool:
    """Are kept outputs of the encoder used for the questions' pictures? `asked`: as in `evaluation_plans`."""
    found = known_questions(recipe, asked)
    known = [found.get(name) for name in recipe.evaluation.tasks]
    return evaluation_uses_encoder_cache(recipe, model, _sum(known, recipe.evaluation.limit, "images"))


def evaluation_plans(
    recipe: Recipe, model: ModelFacts, stages: Iterable[StagePlan], asked: Mapping[str, Asked], peak: Peak | None
) -> tuple[EvaluationPlan, ...]:
    """An entry for each checkpoint scored in full, in order, and one for all subsets asked during a stage.

    `asked`: counted entries of `evaluation.tasks`, for the others see `known_questions`; an entry of which nothing is
    known leaves questions and time unknown. Perturbed pictures are asked about in full evaluations alone; their time is
    reckoned as if they were encoded where those of the plain questions are.
    """
    if not recipe.evaluation.tasks:
        return ()
    found = known_questions(recipe, asked)
    known = [found.get(name) for name in recipe.evaluation.tasks]
    full = known + [found.get(name) for name in perturbed_entries(recipe)]
    every, limit = recipe.evaluation.every_steps, recipe.evaluation.limit
    cached = questions_cached(recipe, model, asked)
    made: list[EvaluationPlan] = []
    by_stage: dict[str, list[EvaluationPlan]] = {START: []}
    if START in recipe.evaluation.at:
        by_stage[START].append(_plan(recipe, model, START, False, full, limit, 1, cached, peak))
    for stage in stages:
        entries = by_stage.setdefault(stage.name, [])
        times = (stage.steps // every if stage.steps is not None else None) if every else 0
        if times is not None and stage.watch is not None:
            times += 1 + stage.watch.best  # before the first step, and after the last
        if times != 0:
            entries.append(_plan(recipe, model, stage.name, True, known, recipe.evaluation.subset, times, cached, peak))
        if stage.name in recipe.evaluation.at:
            entries.append(_plan(recipe, model, stage.name, False, full, limit, 1, cached, peak))
    for entries in by_stage.values():
        made += entries
    return tuple(made)


def _sum(known: list[Asked | None], limit: int | None, what: str) -> int | None:
    return None if None in known else sum(getattr(asked.limited(limit), what) for asked in known)


def _plan(
    recipe: Recipe,
    model: ModelFacts,
    checkpoint: str,
    during: bool,
    known: list[Asked | None],
    limit: int | None,
    times: int | None,
    cached: bool,
    peak: Peak | None,
) -> EvaluationPlan:
    questions = images = seconds = None
    if None not in known and times is not None:
        entries = [asked.limited(limit) for asked in known]
        questions = times * sum(asked.questions for asked in entries)
        images = times * sum(asked.images for asked in entries)
        if model.shape is not None and model.images is not None and peak is not None and peak.train is not None:
            seconds = times * sum(_seconds(recipe, model, asked, cached, peak) for asked in entries)
    return EvaluationPlan(checkpoint=checkpoint, during=during, questions=questions, images=images, seconds=seconds)


def _seconds(recipe: Recipe, model: ModelFacts, asked: Asked, cached: bool, peak: Peak) -> float:
    """Of all devices together, each with its share of the questions."""
    devices = recipe.devices.world_size
    reading = reading_flops(model.shape, model.images.layout(asked.width, asked.height).tokens, asked, cached)
    seconds = reading / (peak.train * ASSUMED_MFU * devices)
    if peak.memory is not None:
        parameters = model.shape.decoder_weights + model.shape.hidden * model.shape.vocabulary
        steps = -(-asked.questions // (recipe.evaluation.batch_size * devices)) * asked.answer_tokens
        seconds += steps * parameters * BYTES_A_WEIGHT[recipe.devices.precision] / peak.memory
    return seconds


def reading_flops(shape: ModelShape, image_tokens: int, asked: Asked, cached: bool) -> float:
    """Forward arithmetic of all questions, each image read once. `cached`: its features are kept already."""
    branch = asked.prompt_tokens + asked.answer_tokens + asked.list_tokens
    tokens = asked.images * image_tokens + asked.questions * branch
    pairs = asked.images * image_tokens * (image_tokens + 1) / 2
    pairs += asked.questions * branch * (image_tokens + (branch + 1) / 2)
    of_an_image_token = shape.projector_flops + (0 if cached else shape.vision_flops)
    return (
        2.0 * shape.decoder_weights * tokens
        + 4.0 * shape.layers * shape.heads * shape.head_size * pairs
        + 2.0 * shape.hidden * shape.vocabulary * asked.questions * (asked.answer_tokens + asked.list_tokens)
        + asked.images * image_tokens * of_an_image_token
    )
