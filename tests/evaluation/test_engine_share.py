"""Several processes share one run: each question is asked by one of them, and the files are those of one process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from evaluation_fakes import SPECIES, FakeAnswerer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evaluation.asking.share as shares
from data_builders.shared.errors import UserError
from evaluation.asking import Share, ask, evaluate
from evaluation.tasks.load import load_tasks


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(shares, "LOOK_SECONDS", 0.01)


def reply(image, prompt):
    return SPECIES[int(image.split(".")[0]) % 4] if image else "x"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def together(tasks, out, size, models, **options):
    """All processes' turns in threads; what went wrong in each, None where nothing did."""
    faults = [None] * size

    def one(rank):
        try:
            ask(models[rank], tasks, out, share=Share(rank, size), **options)
        except Exception as error:
            faults[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS)
    return faults


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(2, 4),
    again=st.integers(1, 4),
    dead=st.lists(st.integers(0, 15), min_size=4, max_size=4),
    torn=st.integers(0, 150),
)
def test_killed_processes_and_another_number_of_them_give_the_same_files(
    tasks, tmp_path_factory, size, again, dead, torn
):
    whole, shared = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("shared")
    once = FakeAnswerer(reply)
    ask(once, tasks, whole)
    # every process but the first dies somewhere; the first does not wait long for them
    models = [FakeAnswerer(reply, dies_after=None if rank == 0 else dead[rank]) for rank in range(size)]
    patience, shares.PATIENCE_SECONDS = shares.PATIENCE_SECONDS, 0.1
    try:
        together(tasks, shared, size, models, batch_size=3)
    finally:
        shares.PATIENCE_SECONDS = patience
    for path in (shared / "parts").rglob("*.jsonl"):
        path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - torn)])
    seconds = [FakeAnswerer(reply) for _ in range(again)]
    assert together(tasks, shared, again, seconds, batch_size=5) == [None] * again
    assert contents(shared) == contents(whole)
    assert not (shared / "parts").exists()


def test_every_question_is_asked_by_one_process_and_pictures_stay_together(tasks, tmp_path):
    once = FakeAnswerer(reply)
    ask(once, tasks, tmp_path / "whole")
    models = [FakeAnswerer(reply) for _ in range(3)]
    assert together(tasks, tmp_path / "shared", 3, models) == [None] * 3
    asked = [one for model in models for one in model.asked]
    assert sorted(asked) == sorted(once.asked)
    assert sum(model.encoded for model in models) == once.encoded
    assert min(model.encoded for model in models) >= once.encoded // 3 - 2
    again = [FakeAnswerer(reply) for _ in range(2)]
    assert together(tasks, tmp_path / "shared", 2, again) == [None] * 2
    assert [model.asked for model in again] == [[], []]


def test_only_the_first_process_scores(tasks, tmp_path):
    done = threading.Thread(
        target=lambda: evaluate(FakeAnswerer(reply), tasks, tmp_path, share=Share(1, 2)), daemon=True
    )
    done.start()
    scores = evaluate(FakeAnswerer(reply), tasks, tmp_path, share=Share(0, 2))
    done.join(HANGS)
    assert set(scores) == {task.name for task in tasks}
    assert evaluate(FakeAnswerer(reply), tasks, tmp_path, share=Share(1, 2)) == {}


def test_the_first_process_does_not_wait_for_ever(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(UserError, match=r"\d+ questions of other processes have no answer"):
        ask(FakeAnswerer(reply), tasks, tmp_path, share=Share(0, 2))
    alone = FakeAnswerer(reply)
    ask(alone, tasks, tmp_path)
    assert 0 < len(alone.asked) < 30


def test_answers_of_another_model_in_a_part_are_not_used(tasks, tmp_path):
    other = FakeAnswerer(lambda *_: "old")
    other.model_hash = "hash-2"
    ask(other, tasks, tmp_path, share=Share(1, 2))
    answers = ask(FakeAnswerer(lambda *_: "new"), tasks, tmp_path)
    assert {row["answer"] for name, rows in answers.items() if "perplexity" not in name for row in rows} == {"new"}
    assert not (tmp_path / "parts").exists()


HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow
WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from evaluation_fakes import FakeAnswerer
from evaluation.asking import Share, ask
from evaluation.tasks.load import load_tasks
left = [int(sys.argv[4])]
def reply(*_):
    if left[0] == 0:
        sys.stdin.read()  # never: nobody writes
    left[0] -= 1
    return "yes"
model = FakeAnswerer(reply)
ask(model, load_tasks(["fgbmk"], [Path(sys.argv[1])]), Path(sys.argv[2]), batch_size=3, share=Share.from_environment())
print(len(model.asked))
"""


def start(data, out, replies=100, **environment):
    """`replies`: that it gives, and then no more."""
    here = Path(__file__).parent
    arguments = [sys.executable, "-c", WORKER, str(data), str(out), str(here), str(replies)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(arguments, cwd=here.parents[1], env={**os.environ, **environment}, text=True, **pipes)


def test_processes_as_torchrun_starts_them_and_two_that_know_nothing_of_each_other(data, tmp_path):
    ranks = [start(data, tmp_path / "out", RANK=str(rank), WORLD_SIZE="2") for rank in (0, 1)]
    counts = [int(one.communicate(timeout=HANGS)[0]) for one in ranks]
    assert sum(counts) == 24
    assert min(counts) > 0
    # without ranks the second waits for the first, and finds everything answered
    alike = [start(data, tmp_path / "other") for _ in range(2)]
    assert sorted(int(one.communicate(timeout=HANGS)[0]) for one in alike) == [0, 24]
    assert contents(tmp_path / "out") == contents(tmp_path / "other")


def test_a_lock_is_free_again_when_its_holder_is_killed(data, tmp_path):
    held = start(data, tmp_path, replies=7)
    while not list(tmp_path.glob("fgbmk*")):
        time.sleep(0.01)
    os.kill(held.pid, signal.SIGKILL)
    held.wait()
    rest = FakeAnswerer()
    answers = ask(rest, load_tasks(["fgbmk"], [data]), tmp_path)
    assert 24 - 7 <= len(rest.asked) < 24
    assert {row["answer"] for rows in answers.values() for row in rows} == {"yes"}


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, Share(0, 1)),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Share(2, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "3"}, Share(1, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, Share(0, 1)),  # a batch script: nobody else was started
    ],
)
def test_the_share_is_what_the_launcher_says(environment, share):
    assert Share.from_environment(environment) == share


@pytest.mark.parametrize("environment", [{"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "a", "WORLD_SIZE": "2"}])
def test_a_share_that_cannot_be_is_refused(environment):
    with pytest.raises(UserError, match=r"RANK=.* and WORLD_SIZE="):
        Share.from_environment(environment)


def test_answers_of_parts_are_rows_like_all_others(tasks, tmp_path):
    ask(FakeAnswerer(reply), tasks, tmp_path, share=Share(1, 2))
    rows = [json.loads(line) for path in tmp_path.rglob("rank0001/*.jsonl") for line in path.read_text().splitlines()]
    assert rows
    assert all({"task", "question_id", "answer", "model_hash", "image_hash"} <= set(row) for row in rows)
    assert not list(tmp_path.glob("*.jsonl"))
