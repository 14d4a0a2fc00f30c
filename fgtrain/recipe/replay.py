"""A training set of rows of earlier data (`what: replay`): how many, of which sets, and how they are chosen.

Random rows are what the field calls experience replay. `forgotten_sets` divides them among the sets as these are
forgotten, kin to mix-cd's densities of what fine-tuning damages (Bai et al., arXiv 2402.08096); `forgotten_rows` takes
those whose answers became least likely as well, as maximally interfered retrieval does (Aljundi et al., 1908.04742).
With `answers` their texts are a checkpoint's own: learning from them is distillation from the model that was
(pseudo-rehearsal), and needs nothing of what that model was trained on.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError

from .keys import AS_TUPLE, START, Name, Positive, Section, Texts
from .merge_stage import MergeStage
from .objective_schema import PAIRED
from .problems import TWICE, Found, Key, Problem, instead
from .sentences import described

if TYPE_CHECKING:
    from .schema import Recipe
    from .stage_schema import Stage

REPLAY = "replay"  # `what` of such a set
RANDOM = "random"


class ReplayOptions(Section):
    """`data.NAME.options` of a set of replayed rows; `data.NAME.rows` is their number."""

    of: Annotated[tuple[Name, ...], AS_TUPLE, Field(min_length=1)]  # data sets
    by: Literal["random", "forgotten_sets", "forgotten_rows"]  # how rows are chosen
    between: Annotated[tuple[Name, Name], AS_TUPLE] | None = (
        None  # checkpoints: what was forgotten from one to the other
    )
    parts: Literal["folder"] | None = None  # that share the budget within a set: by the first folder of a row's picture
    among: Positive | None = None  # rows that are looked at, drawn from all sets together; null = all of them
    answers: Name | None = None  # the checkpoint whose own answers take the place of the rows'
    # asked about the rows' pictures instead of the rows' own; with answers
    questions: Texts = ()
    max_new_tokens: Positive = 64  # of an answer; one that is not finished by then is left out

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Those that decide which rows it holds, or what they say."""
        return (*(self.between or ()), *((self.answers,) if self.answers is not None else ()))


def replay_problems(recipe: "Recipe") -> Found:
    """What is impossible in the recipe's sets of replayed rows, and in the stages that mix them."""
    for name, data_set in recipe.data.items():
        if data_set.what != REPLAY:
            continue
        key: Key = ("data", name)
        try:
            options = data_set.replay
        except ValidationError as error:
            for one in described(error.errors(include_url=False), ReplayOptions):
                yield Problem((*key, "options", *one.key), one.text), [(*key, "options")]
            continue
        yield from _of_the_set(recipe, name, options)
        for stage in recipe.enabled_stages:
            if name in _named_by(recipe.stages[stage]):
                yield from _in_stage(recipe, name, stage, options)


def _named_by(stage: "Stage | MergeStage") -> tuple[str, ...]:
    return tuple(stage.mix) if isinstance(stage, MergeStage) else stage.reads


def _of_the_set(recipe: "Recipe", name: str, options: ReplayOptions) -> Found:
    key: Key = ("data", name)
    places: list[Key] = [(*key, "options"), (*key, "rows")]
    if recipe.data[name].rows is None:
        yield Problem((*key, "rows"), "is missing: it is how many rows are chosen"), [key]
    elif options.among is not None and options.among < recipe.data[name].rows:
        text = f"is {options.among}, fewer than the {recipe.data[name].rows} rows that are chosen from them"
        yield Problem((*key, "options", "among"), text), places
    if recipe.data[name].root is not None:
        yield Problem((*key, "root"), "is given, but replayed rows are those of other sets. Remove it"), [key]
    for number, source in enumerate(options.of):
        place: Key = (*key, "options", "of", number)
        if source not in recipe.data:
            text = f"is {source}, which `data` does not declare. {instead(source, recipe.data)}"
            yield Problem(place, text), [("data", source), place]
        elif recipe.data[source].what == REPLAY or source in options.of[:number]:
            why = "is replayed rows itself. Remove it" if recipe.data[source].what == REPLAY else TWICE
            yield Problem(place, f"names {source}, which {why}"), [place]
    for number, question in enumerate(options.questions):
        if not question.strip() or question in options.questions[:number]:
            text = f"{'asks the same again' if question.strip() else 'is empty'}. Remove it"
            yield Problem((*key, "options", "questions", number), text), places
    room = recipe.model.max_tokens - (recipe.model.image_tokens or 0)
    if options.answers is not None and options.max_new_tokens >= room:
        text = f"is {options.max_new_tokens:,}, but a sample has room for {room:,} tokens of text (model.max_tokens)"
        yield Problem((*key, "options", "max_new_tokens"), text), [*places, ("model", "max_tokens")]
    if options.answers is None:
        for given in {"questions", "max_new_tokens"} & options.model_fields_set:
            text = "is given, but nobody answers. Remove it, or name a checkpoint: answers: sft"
            yield Problem((*key, "options", given), text), places
    elif options.by != RANDOM:
        text = f"goes with by: {RANDOM} alone: what was forgotten is measured on the rows' own answers"
        yield Problem((*key, "options", "answers"), text), places
    if options.by == RANDOM:
        for given in ("between", "parts", "among"):
            if getattr(options, given) is not None:
                text = f"is given, but by: {RANDOM} looks at no row. Remove it, or write by: forgotten_rows"
                yield Problem((*key, "options", given), text), places
    elif options.between is None:
        text = f"is missing: by: {options.by} compares two checkpoints. For example between: [sft, probe]"
        yield Problem((*key, "options", "between"), text), places
    elif options.between[0] == options.between[1]:
        text = f"names {options.between[0]} twice, and nothing is forgotten in between"
        yield Problem((*key, "options", "between"), text), places


def _in_stage(recipe: "Recipe", name: str, stage: str, options: ReplayOptions) -> Found:
    mixed, one = ("stages", stage, "mix", name), recipe.stages[stage]
    if not isinstance(one, MergeStage) and one.objective == "heads":
        text = "is no data set for objective heads, which learns categories and no answers. Take it out"
        yield Problem(mixed, text), [mixed, ("stages", stage, "objective")]
    if one.objective in PAIRED and options.answers is not None:
        text = f"has single answers, those of {options.answers}, and objective {one.objective} learns from a chosen "
        text += "and a rejected one. Take it out, or leave data." + name + ".options.answers out"
        yield Problem(mixed, text), [mixed, ("stages", stage, "objective"), ("data", name)]
    for part in () if isinstance(one, MergeStage) else one.looks_at:
        if one.looks_at[part].data == name:
            place = ("stages", stage, "train", part)
            yield Problem(place, f"looks at {name}, whose rows are not chosen yet. Name another set"), [place]
    enabled = list(recipe.enabled_stages)
    before = [START, *enabled[: enabled.index(stage)]]
    places: list[Key] = [("data", name, "options", "between", number) for number in range(len(options.between or ()))]
    places.append(("data", name, "options", "answers"))
    for place, checkpoint in zip(places, options.checkpoints, strict=False):
        if checkpoint not in before:
            text = f"is {checkpoint}, which is no checkpoint before stage {stage}, which mixes {name}. "
            yield Problem(place, text + instead(checkpoint, before)), [place, ("stages", checkpoint, "enabled"), mixed]
