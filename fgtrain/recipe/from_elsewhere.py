"""What a recipe from elsewhere may not say: addresses without `network: true`, and texts of more than one line."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from .problems import Key, Problem
from .schema import Recipe

ADDRESSES = ("base_url", "wikipedia_url")
HOW = "but network is false. If the network may be used, write network: true, or add network=true to the command"


def network_problems(recipe: Recipe) -> Iterator[tuple[Problem, list[Key]]]:
    """A problem for every address, and for every builder's option that asks an endpoint or Wikipedia."""
    if recipe.network:
        return
    for key, text in texts_in(recipe.model_dump(), ()):
        if "://" in text or key[-1] in ADDRESSES:
            yield Problem(key, f"is {text}, an address, {HOW}"), [key]
    options = {("data", name, "options"): one.options for name, one in recipe.data.items()}
    options |= {("prepare", number, "options"): one.options for number, one in enumerate(recipe.prepare)}
    for key, given in options.items():
        if given.get("model") is not None:
            yield Problem((*key, "model"), f"is {given['model']}, a model that an endpoint is asked for, {HOW}"), [key]
        if given.get("texts") == "wikipedia":
            yield Problem((*key, "texts"), f"is wikipedia, {HOW}"), [key]


def texts_of_several_lines(recipe: Recipe) -> Iterator[tuple[Problem, list[Key]]]:
    """A problem for every text with a control character: scripts, logs and names of files have one line for each."""
    for key, text in texts_in(recipe.model_dump(), ()):
        bad = next((one for one in text if unicodedata.category(one) == "Cc" or one in "\u2028\u2029"), None)
        if bad is not None:
            yield (
                Problem(key, f"is {text!r}, which holds {bad!r}. Write it without line breaks and control characters"),
                [key],
            )


def texts_in(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    """Every text with the key under which it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_in(inner, (*key, name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from texts_in(inner, (*key, number))
    elif isinstance(value, str):
        yield key, value
