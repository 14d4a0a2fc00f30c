"""64 questions about 16 pictures of seven tiles, asked as an evaluate job does in bf16."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from evaluation.protocols import ImageQuestions, Question
from fgtrain.training.answerer import ModelAnswerer

from .found import Check, Found
from .models import drawn_model, prepared, sizes_of, write_pictures, write_recipe
from .timing import wait

LAYERS, PICTURES, QUESTIONS, NEW_TOKENS = 8, 16, 4, 16
AT_ONCE = 4  # pictures


def run(check: Check, found: Found) -> None:
    recipe = prepared(write_recipe(check, 2 if check.small else LAYERS, 2))
    lvlm = drawn_model(recipe, check).eval()
    paths = write_pictures(check.place / "asked", sizes_of(check), 4 if check.small else PICTURES)
    groups = [ImageQuestions(path, tuple(_questions(place))) for place, path in enumerate(paths)]
    answerer = ModelAnswerer(lvlm, "drawn", model_hash="drawn", precision="bf16")
    answers = {}
    for name, ready in (("weights cast once", answerer.prepared), ("cast in every pass", nullcontext)):
        with ready():
            answerer.answer(groups[:AT_ONCE])  # warms up
            if not check.small:
                torch.cuda.reset_peak_memory_stats()
            answerer.expect(paths)
            with clock() as passed:
                parts = range(0, len(groups), AT_ONCE)
                answers[name] = [one for first in parts for one in answerer.answer(groups[first : first + AT_ONCE])]
        asked = QUESTIONS * len(groups)
        rate = asked / passed[0]
        peak = 0 if check.small else torch.cuda.max_memory_allocated()
        found.figure(name, {"questions": asked, "seconds": passed[0], "questions/s": rate, "peak bytes": peak})
        found.say(f"{name}: {rate:.2f} questions/s, answers of {NEW_TOKENS} tokens, peak {peak / 2**30:.1f} GiB")
    pairs = zip(*answers.values(), strict=True)
    same = [a == b for first, second in pairs for a, b in zip(first, second, strict=True)]
    found.figure("equal answers", sum(same) / len(same))
    found.require(all(same), f"{same.count(False)} of {len(same)} answers differ where weights are cast once")


def _questions(place: int) -> list[Question]:
    return [Question(f"w{place} w{number} w7 w9 w11 w13 w17 w19", NEW_TOKENS) for number in range(QUESTIONS)]


@contextmanager
def clock() -> Iterator[list[float]]:
    """The seconds that passed, in a list, once the device is done."""
    passed = [0.0]
    wait()
    begin = time.perf_counter()
    yield passed
    wait()
    passed[0] = time.perf_counter() - begin
