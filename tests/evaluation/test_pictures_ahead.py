"""Pictures that threads make ready: each once, none too many, answers and their order as without."""

import threading
import time
from pathlib import Path

import pytest
from evaluation_fakes import FakeAnswerer, make_benchmark

from data_builders.shared.errors import UserError
from evaluation.asking import ask
from evaluation.asking.answerers.ahead import PicturesAhead
from evaluation.tasks.load import load_tasks


class Reading(FakeAnswerer):
    """Answers with what its pictures hold; notes where each was read and how many lay ready."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[Path, bool]] = []
        self.ready: list[int] = []
        self.ahead = PicturesAhead(self.make)

    def make(self, path: Path) -> int:
        time.sleep((hash(path.name) % 3) / 1000)  # they are ready in no order
        self.read.append((path, threading.current_thread() is threading.main_thread()))
        return sum(path.read_bytes()) % 1000

    def answer(self, groups):
        if hasattr(self, "expect"):
            self.ready.append(len(self.ahead.coming))
        seen = {group.image.name: self.ahead.take(group.image) for group in groups if group.image is not None}
        self.reply = lambda image, prompt: str(seen.get(image))
        return super().answer(groups)


class Expecting(Reading):
    def expect(self, images) -> None:
        self.ahead.expect(images)


def test_answers_are_those_without_and_each_picture_is_read_once(tmp_path: Path):
    tasks = load_tasks(["fgbmk", "frow", "drawn", "perplexity"], [make_benchmark(tmp_path / "data")])
    alone, ahead = Reading(), Expecting()
    expected = ask(alone, tasks, tmp_path / "alone", batch_size=6)
    assert ask(ahead, tasks, tmp_path / "ahead", batch_size=6) == expected
    assert ahead.asked == alone.asked
    assert sorted(path for path, _ in ahead.read) == sorted(path for path, _ in alone.read)
    assert not any(in_main for _, in_main in ahead.read)
    assert max(ahead.ready) <= 12, "of two batches at most"
    assert (ahead.ahead.coming, ahead.ahead.pool) == ({}, None), "nothing is left behind"
    again = Expecting()
    assert ask(again, tasks, tmp_path / "ahead", batch_size=6) == expected
    assert not again.read


def test_a_fault_is_raised_where_the_picture_is_taken_and_threads_end():
    def make(path: Path) -> None:
        raise UserError(f"no image {path}")

    ahead = PicturesAhead(make)
    ahead.expect([Path("a"), Path("b")])
    with pytest.raises(UserError, match="no image a"):
        ahead.take(Path("a"))
    ahead.expect([])
    assert (ahead.coming, ahead.pool) == ({}, None)


def test_a_model_that_fails_leaves_no_threads(tmp_path: Path):
    tasks = load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")])
    answerer = Expecting()
    answerer.dies_after = 5
    with pytest.raises(RuntimeError, match="killed"):
        ask(answerer, tasks, tmp_path / "out", batch_size=4)
    assert (answerer.ahead.coming, answerer.ahead.pool) == ({}, None)
