"""Work that takes longer than a minute says so in a log, at least once a minute, with what is left."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from run_folders import COUNT, make_run
from table import rows

from data_builders.build import build
from data_builders.leakage import image_files
from data_builders.records import conversation, write_training_set
from data_builders.shared import files, progress
from data_builders.shared.array_store import ArrayStore
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.progress import LogLines
from data_builders.shared.sealed import is_whole, seal
from evaluation.compare import compare_runs
from evaluation.study import StudyRuns, study_answer
from fgtrain.data import FeatureCache, ImageRef
from fgtrain.data.rows import Rows
from fgtrain.images import Square
from fgtrain.training.stage_progress import StageProgress

MINUTE = 60.0


class Clock:
    """Goes on by a step whenever it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def pictures(folder) -> None:
    for name, shade in (("jay", 10), ("wren", 90)):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (shade + number, 0, 0)).save(folder / name / f"{number}.png")


def training_set(folder) -> None:
    texts = [{"id": str(n), "conversations": conversation("Q?", f"A{n}", with_image=False)} for n in range(9)]
    about = {"builder": "test", "code": CodeIdentity("0" * 16, {}), "sources": [], "splits": []}
    write_training_set(folder / "set", texts, name="set", image_root=folder, **about)


def read_rows(folder) -> None:
    training_set(folder)
    Rows(folder / "set", folder / "cache")


def build_caption(folder) -> None:
    pictures(folder / "photos")
    build("caption", root=folder / "photos", out=folder / "set", options={"source": "folder"})


def compare_with_source(folder) -> None:
    build_caption(folder)
    build("caption", root=folder / "photos", out=folder / "set", options={"source": "folder"})


def encode(folder) -> None:
    pictures(folder)
    spec = Square(size=8, mean=(0.5,) * 3, std=(0.25,) * 3, resample="bilinear", tokens=1)
    cache = FeatureCache(folder / "features", lambda pixels: pixels.mean((2, 3))[:, None, :], "encoder", spec)
    cache.ensure([ImageRef(path) for path in sorted(folder.glob("*/*.png"))])


def check_kept(folder) -> None:
    store = ArrayStore(folder)
    store.add(["a", "b"], torch.zeros(2, 3).numpy())
    store.mapped(["a", "b"])


def hash_a_large_file(folder) -> None:
    (folder / "weights").write_bytes(bytes(3 << 20))
    files.sha256_file(folder / "weights")


def check_a_seal(folder) -> None:
    (folder / "rows.arrow").write_bytes(bytes(9 << 20))
    seal(folder / "rows.arrow")
    assert is_whole(folder / "rows.arrow")


def compare(folder) -> None:
    compare_runs([make_run(folder / arm, {COUNT: ([True], [False])}) for arm in ("early", "late")])


def answer_a_study(folder) -> None:
    arms = {arm: {17: make_run(folder / arm, {COUNT: ([True], [False])}).folder} for arm in ("early", "late")}
    study_answer(StudyRuns(name="s", question="", arms=arms, measures=("forgetting",), contrasts=()))


@rows(
    ("runs are compared", compare, "comparing: "),
    ("a study is answered", answer_a_study, "answering the study: "),
    ("rows are written", training_set, "writing set: "),
    ("rows are read", read_rows, "reading set: "),
    ("images are looked for", build_caption, "looking for the images: "),
    ("broken images are looked for", build_caption, "looking for broken images: "),
    ("a set is compared with its source", compare_with_source, "comparing with the source: "),
    ("pictures are encoded", encode, "image features: "),
    ("it is found out what is encoded", encode, "image features: what is there: "),
    ("kept features are checked", check_kept, "checking what is kept: "),
    ("a large file is hashed", hash_a_large_file, "checking weights: "),
    ("a seal is compared", check_a_seal, "checking rows.arrow: "),
)
def test_each_long_step_speaks(how, out, tmp_path, monkeypatch, capsys):
    """Under a clock that goes on by two minutes whenever it is looked at."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.setattr(files, "LARGE", 1)
    clock, plain = Clock(2 * MINUTE), LogLines
    monkeypatch.setattr(progress, "LogLines", lambda what, unit, total: plain(what, unit, total, clock))
    monkeypatch.setattr(image_files, "AT_ONCE", 2)
    how(tmp_path)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith(out)]
    assert any(re.search(r"min left|min so far", line) for line in said), said


@rows(
    ("parts that end", [10] * 30, [f"work: {n} of 30 rows" for n in range(6, 30, 6)]),
    ("a part that takes five minutes", [300, 10], ["work: 1 of 2 rows"]),
    ("nothing that takes a minute", [1, 1, 1], []),
)
def test_lines_come_a_minute_apart(how, out, capsys):
    clock = Clock()
    lines = LogLines("work", "rows", len(how), clock)
    for seconds in how:
        clock.now += seconds
        lines.advance(1)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in said] == out
    assert all(re.search(r"[\d.]+/s, \d+ min left$", line) for line in said)


def test_work_whose_parts_do_not_end_is_heard_of_every_minute(capsys):
    clock = Clock()
    lines = LogLines("saving a checkpoint", "of 1", 1, clock)
    for _ in range(10):
        clock.now += lines.beat()
    said = capsys.readouterr().err.splitlines()
    assert said == [f"saving a checkpoint, {n} min so far" for n in range(1, 10)]
    lines = LogLines("encoding", "images", 100, clock)
    clock.now += 59
    lines.advance(50)
    assert lines.beat() == pytest.approx(1)
    clock.now += 1
    assert lines.beat() == pytest.approx(60)
    assert capsys.readouterr().err.splitlines() == ["encoding: 50 of 100 images, 0.8/s, 1 min left"]


def test_what_took_no_time_is_not_told_where_it_need_not_be(capsys):
    with progress.progress("checking", "MB", 4, brief=True) as advance:
        advance(4)
    with progress.busy("loading the model"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "brief", "told"), [(0.9, False, False), (1.0, False, True), (1.0, True, False), (61, True, True)]
)
def test_a_log_is_told_the_end_of_what_took_its_time(seconds, brief, told, capsys):
    clock = Clock()
    lines = LogLines("reading count", "rows", 10, clock)
    clock.now += seconds
    lines.advance(5)
    assert lines.worth_a_last_line(brief) is told


def test_a_file_is_called_by_a_name_that_a_reader_knows():
    titles = {"rows.arrow": "rows.arrow", "model-00001-of-00004.safetensors": "model-00001-of-00004.safetensors"}
    titles |= {f"{'0a9f' * 8}.npy": "a file of lengths", f".rows.{'0a9f' * 4}.part": "a file of lengths"}
    assert {name: progress.file_title(Path("lengths") / name) for name in titles} == titles


def test_a_stage_says_each_minute_how_far_it_is_also_within_a_step(capsys, monkeypatch):
    clock = Clock()
    stage = StageProgress("sft", 100, 8, clock)
    trainer, module = SimpleNamespace(global_step=0, is_global_zero=True), SimpleNamespace(last={"loss": 2.0})
    stage.on_train_start(trainer, module)
    ended = {"now": False}
    monkeypatch.setattr("fgtrain.training.stage_progress.optimizer_step_ended", lambda *_: ended["now"])
    for index in range(12):  # micro-batches of 20 seconds; a step is four of them
        clock.now += 20
        ended["now"] = index % 4 == 3
        trainer.global_step += ended["now"]
        stage.on_train_batch_end(trainer, module, None, None, index)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" · ")[0] for line in said] == [f"stage sft: step {n}/100" for n in (0, 1, 2, 3)]
    assert said[-1].endswith("min left")


def test_a_second_bar_on_a_terminal_does_not_end_the_work(monkeypatch):
    monkeypatch.setenv("FGTRAIN_PROGRESS", "1")
    with progress.progress("outer", "rows", 2) as advance, progress.progress("inner", "rows", 2) as inner:
        advance(1)
        inner(1)
