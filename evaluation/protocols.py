"""All that evaluation knows of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from data_builders.shared.pictures import ChangedPicture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Question:
    """One question as the model gets it: `prompt` is final (suffix included, no `<image>` placeholder).

    `options`: texts whose probability as the answer is wanted too, beside the answer the model gives. `names`: texts
    whose probability as the whole answer is wanted; an answer of the model's own is then wanted only where
    max_new_tokens is above 0.
    """

    prompt: str
    max_new_tokens: int = 32
    options: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageQuestions:
    """All questions about one image (None: text only); the image is to be encoded once for all of them.

    A `ChangedPicture` (a perturbed one) is opened as a file is: by `data_builders.shared.pictures.open_image`.
    """

    image: Path | ChangedPicture | None
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answer:
    """The greedy answer, special tokens removed. `finished`: the end token came before `max_new_tokens` ran out.

    `options`: for each of the question's options (sum of the natural-log probabilities of its tokens, how many they
    are), the end token not counted; None where the model cannot tell. `names`: for each of the question's names the
    natural-log probability that the answer is this name and nothing more: its tokens, then any token that ends an
    answer. `thoughts`: characters of thoughts that the model
    had and `text` has not. `served_by`: how an endpoint calls the model that gave it, and its fingerprint. `unsaid`: it
    did not say how the answer ended, and was believed to have finished it.
    """

    text: str
    finished: bool
    options: tuple[tuple[float, int], ...] | None = None
    thoughts: int = 0
    served_by: tuple[str, str] = ("", "")
    unsaid: bool = False
    names: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Unanswered:
    """No answer could be got (an endpoint failed). It is not a wrong answer: the next start asks again."""

    reason: str


@runtime_checkable
class Answerer(Protocol):
    """A model that can be asked. Greedy decoding; answers must not depend on what else is in the batch.

    It may have `measures_text = False`: then it has no text_log_likelihood, and is not asked about plain text; or
    `measures_names = False`: then it is asked no question with `names`. It may
    have `expect(images)`: told the pictures of the next call and of the one after it, it can make them ready by the
    side; told none, it lets go of what it has made ready.
    """

    name: str  # for people: a folder or a hub id
    model_hash: str  # identity of the weights; cached answers are keyed on it
    # All else that decides an answer (chat template, image transform, precision). A model that runs here has "code"
    # among them, the hash of what asks it; an endpoint has not: it is known by what was sent to whom.
    settings: dict

    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer | Unanswered]]:
        """One list of answers a group, in the order of its questions."""
        ...

    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        """(sum of natural-log probabilities, number of predicted tokens) of each plain text, for perplexity."""
        ...


@runtime_checkable
class Featurizer(Protocol):
    """A vision encoder (or what a projector makes of it) that turns pictures into a few vectors each."""

    name: str  # for people: a folder, a hub id or a preset
    model_hash: str  # identity of the weights; cached features are keyed on it
    settings: dict  # all else that decides a feature (image transform, layers, final norm, "code": what makes it)
    # What the K vectors of a picture are, e.g. ("cls_2", "cls_1", "mean"): class tokens of the last blocks, the last
    # block's last, then the last block's mean patch. Without a class token ("mean_2", "mean_1"), or just ("pooled",).
    vectors: tuple[str, ...]
    # Of the model's own normalisation, three numbers each: an attack may live in normalised pixels.
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, image: Path) -> "Tensor":
        """The picture resized and cropped, float32 [3, H, W] in 0..1, not normalised. UserError: cannot be read."""
        ...

    def features(self, pixels_NCHW: "Tensor") -> "Tensor":
        """float32 [N, K, F] of un-normalised pixels, differentiable in them; on the model's device."""
        ...
