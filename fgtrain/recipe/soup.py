"""A model soup as an arm of a study (arXiv 2203.05482): the mean of what several arms, or seeds of one arm, end with.

The arm is a run of its first ingredient with one stage more, which averages; the other ingredients are checkpoints of
their own runs, and nothing is trained again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from .differences import as_values
from .keys import AS_TUPLE, Section
from .merge_stage import MergeStage, OtherRun
from .problems import instead
from .schema import Recipe

SOUP = "soup"  # the arm's key in a study file, and the stage


class Soup(Section):
    """What an arm averages: one of the two."""

    of: Annotated[tuple[str, ...], AS_TUPLE, Field(min_length=2)] | None = None  # arms, seed by seed
    seeds_of: str | None = None  # an arm, over all seeds of the study: one model, under the first seed

    @property
    def arms(self) -> tuple[str, ...]:
        return self.of or (self.seeds_of,)

    def __str__(self) -> str:
        return f"mean over the seeds of {self.seeds_of}" if self.seeds_of else f"mean of {' and '.join(self.of)}"


def last_stage(recipe: Recipe) -> str:
    return list(recipe.enabled_stages)[-1]


def what_is_wrong(soup: Soup | None, recipes: Mapping[str, Recipe], seeds: Sequence[int]) -> Iterator[str]:
    """Each as a sentence that begins with the soup's key. `recipes`: of the arms that are no soup themselves."""
    if soup is None or (soup.of is None) == (soup.seeds_of is None):
        yield "must be {of: [ARM, ARM]}, seed by seed, or {seeds_of: ARM}"
        return
    if unknown := [arm for arm in soup.arms if arm not in recipes]:
        yield f"names {unknown[0]}, which is no arm with a recipe. {instead(unknown[0], recipes)}"
        return
    if len(set(soup.arms)) < len(soup.arms):
        yield "names an arm twice. Shares are equal"
    if soup.seeds_of is not None and len(seeds) < 2:
        yield "is over seeds, and the study names fewer than two. Write seeds: [17, 18, 19]"
    first = recipes[soup.arms[0]]
    for arm in soup.arms:
        one = recipes[arm]
        if not one.enabled_stages or SOUP in one.stages:
            yield f"cannot be: {arm} has no stage, or one that is called {SOUP}"
        if one.model != first.model or one.devices.precision != first.devices.precision:
            yield f"cannot be: {arm} has another model or precision than {soup.arms[0]}"
        for data in one.data.keys() & first.data.keys():
            if one.data[data] != first.data[data]:
                yield f"cannot be: {arm} means other rows by data.{data}. Give them another name there"


def souped(first: Recipe, others: Mapping[str, Recipe]) -> Recipe:
    """`first` with a stage behind its last that averages it with the last checkpoints of `others`, in equal shares.

    It is asked where `first` is, and there: what it may forget is what its first ingredient could do.
    """
    share = 1 / (len(others) + 1)
    stage = MergeStage(
        after=last_stage(first),
        merge=dict.fromkeys(others, share),
        runs={name: OtherRun(recipe=as_values(one), stage=last_stage(one)) for name, one in others.items()},
    )
    evaluation = first.evaluation
    sections = {key: getattr(evaluation, key) for key in ("features", "judge")}
    also = {key: _at(one) for key, one in sections.items() if one is not None and one.at is not None}
    return first.model_copy(
        update={
            "stages": {**first.stages, SOUP: stage},
            "data": {**{name: data for one in others.values() for name, data in one.data.items()}, **first.data},
            "evaluation": _at(evaluation).model_copy(update=also),
        }
    )


def other_run(stage: MergeStage, name: str) -> tuple[Recipe, str]:
    """(recipe, stage) of the checkpoint of another run."""
    return Recipe.model_validate(stage.runs[name].recipe), stage.runs[name].stage


def _at(section: Any) -> Any:
    return section.model_copy(update={"at": (*section.at, SOUP)})
