"""Counts of training sets that are not here, from what the recipe expects of a row and how pictures become tokens.

An estimate of the whole, and a bound of the heaviest micro-batch; neither is used once the rows have been counted.
"""

import math
from dataclasses import replace

from fgtrain.counts import Counts
from fgtrain.images import ImageSpec
from fgtrain.recipe import ExpectedRow, Recipe, Stage

from .facts import DataFacts, ModelFacts


def with_expected(recipe: Recipe, data: dict[str, DataFacts], model: ModelFacts) -> dict[str, DataFacts]:
    """The facts, completed by what the recipe expects of data sets whose tokens are unknown."""
    rows = {name: recipe.data[name].expected if name in recipe.data else None for name in data}
    return {name: _completed(rows[name], facts, model.images) for name, facts in data.items()}


def _completed(row: ExpectedRow | None, facts: DataFacts, spec: ImageSpec | None) -> DataFacts:
    if row is None or spec is None or facts.rows is None or facts.tokens_per_pass is not None:
        return facts
    image_tokens = round(row.pictures * spec.layout(row.width, row.height).tokens)
    tokens = image_tokens + row.text_tokens
    one = Counts(tokens, image_tokens, row.learnt_tokens, tokens * (tokens + 1) // 2)
    images = round(facts.rows * row.pictures) if facts.images is None else facts.images
    whole = one.times(facts.rows)
    return replace(facts, images=images, tokens_per_pass=whole.tokens, counts_per_pass=whole, expected=True)


def most_of_a_micro_batch(recipe: Recipe, stage: Stage, model: ModelFacts) -> Counts | None:
    """Of each kind no more than this is in any micro-batch of the stage; None where it is unknown what pictures become.

    Each sample is as long as the longest picture and the longest text make it, within model.max_tokens.
    """
    if model.images is None:
        return None
    names = [one for name in stage.mix for one in _holding(recipe, name)]
    longest = [_longest(recipe, name, model.images) for name in names]
    tokens, image_tokens, labels = (max(values) for values in zip(*longest, strict=True))
    size = recipe.devices.per_device_batch_size
    return Counts(tokens, image_tokens, labels, tokens * (tokens + 1) // 2).times(size)


def _holding(recipe: Recipe, name: str) -> tuple[str, ...]:
    """Data sets that tell how long a row of `name` can be: what a checkpoint answers may be longer than its sources."""
    replay = recipe.data[name].replay
    return (name,) if replay is None or replay.answers is not None else replay.of


def _longest(recipe: Recipe, name: str, spec: ImageSpec) -> tuple[int, int, int]:
    """(tokens, image tokens, learnt tokens) that no row of the data set has more of."""
    row, most = recipe.data[name].expected, recipe.model.max_tokens
    if row is None:
        return most, min(most, spec.most_tokens), most
    pictures = spec.most_tokens * math.ceil(row.pictures) if row.pictures else 0
    text = min(most, row.most_text_tokens or most)
    return min(most, pictures + text), min(most, pictures), text
