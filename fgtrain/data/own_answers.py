"""Rows whose answers are a model's own: what each asks it, and the row that its answers make. Pure."""

from collections.abc import Mapping, Sequence

from data_builders.records import IMAGE_PLACEHOLDER, images_of, independent_turns
from data_builders.shared.seeding import draw
from fgtrain.errors import UserError
from fgtrain.recipe import REPLAY

from .replay import Place

LEFT_OUT = ("chosen", "rejected", "mosaic", "conversations", "turns")  # of a row, what its own answers replace


def drawn_order(seed: int, name: str, places: Sequence[Place]) -> list[Place]:
    """All the rows in the order in which they are asked, until there are enough."""
    return [places[number] for number in draw(seed, REPLAY, name, "answers").permutation(len(places)).tolist()]


def questions_of(row: dict, place: str, instead: Sequence[str] = ()) -> list[str]:
    """What the row asks: `instead`, or all of its independent questions, or the first of its dialogue.

    UserError for a row without question where it is asked its own, and for one of several pictures (a mosaic, too).
    """
    if len(images_of(row)) > 1 or row.get("mosaic") is not None:
        raise UserError(f"{place}: has several pictures, and a checkpoint is asked about one. Leave its data set out")
    if instead:
        return list(instead)
    own = [
        turn["value"].replace(IMAGE_PLACEHOLDER, "").strip() for turn in row["conversations"] if turn["from"] == "human"
    ]
    if not own:
        raise UserError(f"{place}: asks nothing. Leave its data set out, or name questions: [...]")
    return own if row.get("turns") == "independent" else own[:1]


def answered_row(row: dict, answers: Mapping[str, str]) -> dict:
    """The row with questions and answers of the model's own, each a question by itself about the same picture."""
    turns = independent_turns(answers.items())
    if not images_of(row):
        turns[0]["value"] = turns[0]["value"].removeprefix(IMAGE_PLACEHOLDER + "\n")
    return {key: value for key, value in row.items() if key not in LEFT_OUT} | {
        "conversations": turns,
        "turns": "independent",
    }
