"""What a plan says beside its numbers: what is unknown, what is assumed, and why."""

from collections.abc import Iterable

from evaluation.serving.vllm import HOW, place_of_vllm
from fgtrain.recipe import Recipe

from .checkpoints import features_at, judged_at, recovered_at
from .evaluation import Asked, known_questions
from .facts import DataFacts, ModelFacts
from .keeping import keeping_note
from .kernels import layer_kernels_note
from .lineage import ancestors
from .needs import USABLE, too_large
from .preferring import preferring_note
from .rollouts import rollouts_note
from .schema import ChoicePlan, StagePlan
from .unmeasured import unmeasured
from .watching import watch_note


def notes(
    recipe: Recipe,
    data: dict[str, DataFacts],
    model: ModelFacts,
    stages: list[StagePlan],
    asked: dict[str, Asked],
) -> Iterable[str]:
    yield from _served(recipe)
    yield from _measured(recipe)
    yield from (line for stage in stages if (line := watch_note(stage)))
    if at := recovered_at(recipe):
        chosen = recipe.evaluation.recovery
        yield (
            f"Recovery tried from {', '.join(at)}: {chosen.steps:,} steps on {', '.join(chosen.on)}, general tasks of "
            f"the subset asked three times. Its time is not in the hours"
        )
    yield from _judged(recipe, known_questions(recipe, asked))
    if kernels := layer_kernels_note(recipe.devices):
        yield kernels
    yield from model.notes
    facts = {name: data.get(name, DataFacts()) for name in recipe.mixed_data}
    if unknown := [name for name, known in facts.items() if known.rows is None]:
        yield f"Rows unknown until built: {', '.join(unknown)}. Declare them in the recipe (rows: N) to plan before"
    if declared := [name for name, known in facts.items() if known.declared]:
        yield f"Rows as the recipe declares them, the data is not here: {', '.join(declared)}"
    if assumed := [name for name, known in facts.items() if known.expected and known.chosen is None]:
        yield f"Tokens estimated from what the recipe expects of a row: {', '.join(assumed)}"
    for name, known in facts.items():
        if known.cut:
            yield f"Answers of {name} cut by model.max_tokens: {recipe.model.max_tokens}: {known.cut}"
    if any(stage.tokens is None for stage in stages):
        yield "Tokens stay unknown until the rows and the model's tokenizer are here"
    if any(stage.bounded and stage.activation_bytes is not None for stage in stages):
        yield "Memory holds the longest micro-batch that could be, until the rows have been counted"
    yield from (line for stage in stages if (line := keeping_note(recipe, stage)))
    yield from (line for stage in stages if (line := rollouts_note(recipe, stage)))
    yield from (line for stage in stages if (line := preferring_note(recipe, stage)))
    yield from (line for stage in stages if (line := too_large(stage, stage.device_holds, USABLE)))
    for stage in stages:
        if not stage.encoder.cached and recipe.encoder_cache.enabled and "max_gib" in stage.encoder.why:
            yield f"Stage {stage.name} encodes its pictures in each pass: {stage.encoder.why}"
    yield from unmeasured(recipe, asked)
    tasks, known = recipe.evaluation.tasks, known_questions(recipe, asked)
    if by_papers := [name for name in tasks if name in known and name not in asked]:
        yield f"Questions as published, not counted: {', '.join(by_papers)}"
    if unknown := [name for name in tasks if name not in known]:
        yield f"Questions unknown until their files are here: {', '.join(unknown)}"
    on_the_way = ancestors(recipe, stages[-1].name) if stages else []
    if aside := [one.name for one in stages if one.batch is not None and one.name not in on_the_way]:
        yield f"Exposures and updates are those of checkpoint {stages[-1].name}, so without {', '.join(aside)}"
    yield from (_chosen(stage, choice) for stage in stages for choice in stage.choices)
    if any(stage.provisional for stage in stages):
        yield "Fingerprints are provisional: they will cover the hashes of data and weights that are not here yet"


def _chosen(stage: StagePlan, choice: ChoicePlan) -> str:
    rows = next(data.rows for data in stage.data if data.name == choice.data)
    among = "rows not counted yet" if choice.candidates is None else f"{choice.candidates:,} rows"
    text = f"Stage {stage.name} replays {rows:,} of {among} of {', '.join(choice.of)} ({choice.data})"
    if choice.answered_by is not None:
        return f"{text}, drawn at random and answered by {choice.answered_by}. Answering is not in the hours"
    if choice.between is None:
        return f"{text}, drawn at random"
    before, after = choice.between
    tokens = "tokens not counted yet" if choice.tokens is None else f"{choice.tokens:,} tokens forward"
    time = "" if choice.seconds is None else f", {choice.seconds / 3600:.2g} hours"
    return f"{text}, by {choice.by} from {before} to {after}: both read them first, {tokens}{time}"


def _served(recipe: Recipe) -> Iterable[str]:
    if recipe.evaluation.engine == "vllm" and recipe.evaluation.tasks:
        own = " The subset in between is asked by own." if recipe.evaluation.every_steps else ""
        place = place_of_vllm()
        where = f"by {place}" if place is not None else f"but vLLM is not installed here. {HOW}"
        yield (
            f"evaluation.engine is vllm: checkpoints are served for full evaluations, one server a GPU, {where}. No "
            f"probabilities of options.{own} The times of evaluation are own's"
        )


def _measured(recipe: Recipe) -> Iterable[str]:
    if at := features_at(recipe):
        chosen = recipe.evaluation.features
        data = ", ".join(one.source for one in chosen.sources)
        what = f"{', '.join(chosen.measures)} on {data}, behind the {' and the '.join(chosen.parts)}"
        yield f"Features measured at {', '.join(at)}: {what}. Their time is not in the hours"


def _judged(recipe: Recipe, asked: dict[str, Asked]) -> Iterable[str]:
    if at := judged_at(recipe):
        judge, limit = recipe.evaluation.judge, recipe.evaluation.limit
        known = [asked[name].limited(limit).questions if name in asked else None for name in judge.tasks]
        answers = "answers not counted yet" if None in known else f"{sum(known):,} answers each"
        if judge.own is not None:
            yield f"Judged by {judge.own}, a judge of your own, at {', '.join(at)}: {', '.join(judge.tasks)}, {answers}"
            return
        in_all = f", {judge.requests_in_all:,} for all that start together" if judge.requests_in_all else ""
        yield (
            f"Judged by {judge.model} at {', '.join(at)}: {', '.join(judge.tasks)}, {answers}, at most "
            f"{judge.requests:,} requests for each{in_all}"
        )
