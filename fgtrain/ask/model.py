"""A checkpoint that is asked about photos."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.progress import busy
from evaluation.asking.answerers.find import find_answerer
from evaluation.asking.answerers.loading import default_dtype, device_map
from evaluation.asking.coming import told_ahead
from evaluation.protocols import Answer, Answerer, ImageQuestions, Question
from fgtrain.checksums import is_checkpoint
from fgtrain.errors import UserError
from fgtrain.model import load_checkpoint
from fgtrain.training.answerer import ModelAnswerer

from .names import WHY, Named, Names
from .place import Place, find_place, names_for, refuse_nothing_asked

AT_ONCE = 8  # photos
ANSWER_TOKENS = 256
OWN_WORDS = 32  # tokens, beside names


@dataclass(frozen=True)
class Reply:
    """What a checkpoint says about a photo. `said`: in its own words; `finished`: it came to an end of them. `names`:
    where names were weighed."""

    checkpoint: str
    photo: str
    question: str
    said: str
    finished: bool
    names: Named | None = None

    def __str__(self) -> str:
        if self.names is None:
            return self.said + " ..." * (not self.finished)
        found = self.names
        if found.uncertain:
            head = f"uncertain: {why(found)}"
        else:
            head = f"{found.name} ({found.level}, {percent(found.probability)})"
        told = ", ".join(f"{name} {percent(share)}" for name, _, share in found.likeliest)
        return f"{head}\n  likeliest: {told}\n  in its own words: {self.said}"


def why(found: Named) -> str:
    """Why it is uncertain, in words; empty where it is not."""
    told = WHY.get(found.uncertain, "")
    return f"{told} ({percent(found.listed)} of all)" if found.uncertain == "list" else told


def percent(share: float) -> str:
    return "<1%" if share < 0.005 else f"{share:.0%}"


class Model:
    """A loaded checkpoint; see `fgtrain.load`."""

    def __init__(self, place: Place, answerer: Answerer, names: str | None = None) -> None:
        self.place, self.answerer, self.wanted = place, answerer, names
        self._names: dict[bool, Names | None] = {}
        self._prepared = ExitStack()
        if hasattr(answerer, "prepared"):  # in bf16 the weights are cast once, and the others let go of
            self._prepared.enter_context(answerer.prepared(keep=False))

    def ask(self, photo: str | Path, question: str | None = None) -> Reply:
        """The answer to a question about a photo; without one, what is in it, by the names of the run's data.

        UserError for a photo that cannot be read, and where there are neither names nor a question.
        """
        asked = question is not None
        if asked not in self._names:
            self._names[asked] = names_for([self.place], self.wanted, asked)
        return next(self.ask_all([Path(photo)], question, self._names[asked]))

    def ask_all(self, photos: Sequence[Path], question: str | None, names: Names | None) -> Iterator[Reply]:
        """A reply a photo, in their order. `names`: to weigh, also behind a question. UserError for neither."""
        refuse_nothing_asked(self.place, question, names)
        prompt = names.question if question is None else question
        tokens = OWN_WORDS if names else ANSWER_TOKENS
        asked = Question(prompt, tokens, names=names.all if names else ())
        chunks = [photos[start : start + AT_ONCE] for start in range(0, len(photos), AT_ONCE)]
        with told_ahead(self.answerer) as expect:
            for some, after in zip(chunks, [*chunks[1:], []], strict=True):
                expect([*some, *after])
                replies = self.answerer.answer([ImageQuestions(photo, (asked,)) for photo in some])
                yield from (self._reply(photo, prompt, *one, names) for photo, one in zip(some, replies, strict=True))

    def _reply(self, photo: Path, prompt: str, answer: Answer, names: Names | None) -> Reply:
        named = names.named(answer.names) if names else None
        return Reply(self.place.title, str(photo), prompt, answer.text, answer.finished, named)


def open_model(checkpoint: str, names: str | None = None, network: bool = False) -> Model:
    """See `fgtrain.load`."""
    place = find_place(checkpoint)
    with busy(f"loading {place.model}"):
        return Model(place, _answerer(place.model, network), names)


def _answerer(model: str, network: bool) -> Answerer:
    if is_checkpoint(Path(model)):
        where = device_map(None)
        lvlm = load_checkpoint(Path(model)).eval().to("cuda" if where == "auto" else where[""])
        precision = "bf16" if default_dtype(None) == "bfloat16" else "fp32"
        # Its identity is for answers that are kept; hashing large weights would take longer than asking.
        return ModelAnswerer(lvlm, model, model_hash=model, precision=precision)
    how = argparse.Namespace(model=model, network=network, dtype=None, device=None, one_by_one=False, base_url=None)
    try:
        return find_answerer(how)
    except UserError as error:
        raise UserError(str(error).removeprefix("--model ")) from None
