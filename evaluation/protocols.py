"""All that evaluation knows of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Question:
    """One question as the model gets it: `prompt` is final (suffix included, no `<image>` placeholder)."""

    prompt: str
    max_new_tokens: int = 32


@dataclass(frozen=True)
class ImageQuestions:
    """All questions about one image (None: text only); the image is to be encoded once for all of them."""

    image: Path | None
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answer:
    """The greedy answer, special tokens removed. `finished`: the end token came before `max_new_tokens` ran out."""

    text: str
    finished: bool


@runtime_checkable
class Answerer(Protocol):
    """A model that can be asked. Greedy decoding; answers must not depend on what else is in the batch."""

    name: str  # for people: a folder or a hub id
    model_hash: str  # identity of the weights; cached answers are keyed on it
    settings: dict  # all else that decides an answer (chat template, image transform, precision, code version)

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer]]:
        """One list of answers a group, in the order of its questions."""
        ...

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        """(sum of natural-log probabilities, number of predicted tokens) of each plain text, for perplexity."""
        ...
