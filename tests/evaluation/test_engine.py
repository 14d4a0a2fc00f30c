"""The engine: each image once, each distinct question once, nothing lost, nothing reused wrongly."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_builders.shared.errors import UserError
from evaluation.asking import ask, evaluate, subset_of
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import task_without_items


def right(image, prompt):
    """The truth about the benchmark's pictures of species."""
    gold = SPECIES[int(image.split(".")[0]) % 4] if image else ""
    return ("yes" if gold in prompt else "no") if "yes or no" in prompt else gold


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def test_a_model_that_knows_scores_full_marks(tasks, tmp_path):
    scores = evaluate(FakeAnswerer(right), tasks, tmp_path)
    for name, score in scores.items():
        if name.startswith("fgbmk"):
            assert score.main.value == 100
            assert (score.main.rule, score.main.metric, score.n, score.images) == ("released", "accuracy", 8, 8)
            assert score.main.low < 100 == score.main.high  # eight images do not prove perfection
    assert scores["perplexity/stories"].main.unit == "perplexity"
    assert not scores["perplexity/stories"].higher_is_better
    assert scores["frow/cub"].primary == "deterministic_judge"
    assert (tmp_path / "judged" / "frow__cub.jsonl").exists()


def test_every_image_is_handed_over_once_for_all_its_questions(tasks, tmp_path):
    model = FakeAnswerer()
    ask(model, [task for task in tasks if task.name.startswith("fgbmk")], tmp_path)
    assert model.encoded == 8
    assert len(model.asked) == 24


def test_the_same_question_in_two_tasks_is_asked_once(data, tmp_path):
    source = data / "general" / "count"
    other = tmp_path / "twice"
    for kind in ("count", "attribute"):
        (other / "general").mkdir(parents=True, exist_ok=True)
        (other / "general" / kind).symlink_to(source)
    tasks = load_tasks(["drawn"], [other])
    model = FakeAnswerer(lambda image, prompt: "1")
    answers = ask(model, tasks, tmp_path / "out")
    assert len(tasks) == 2
    assert len(model.asked) == 4
    assert [row["answer"] for rows in answers.values() for row in rows] == ["1"] * 8
    # and not again in a later start, for the task whose answers were lost
    (tmp_path / "out" / "drawn__count.jsonl").unlink()
    again = FakeAnswerer()
    assert ask(again, tasks, tmp_path / "out") == answers
    assert again.asked == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dies_after=st.integers(0, 45), torn=st.integers(0, 200), batch_size=st.sampled_from([1, 5, 64]))
def test_resumed_anywhere_gives_the_same_files(tasks, tmp_path_factory, dies_after, torn, batch_size):
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    ask(FakeAnswerer(right), tasks, whole)
    try:
        ask(FakeAnswerer(right, dies_after=dies_after), tasks, broken, batch_size=batch_size)
    except RuntimeError:
        for path in broken.glob("*.jsonl"):
            path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - torn)])
    ask(FakeAnswerer(right), tasks, broken, batch_size=batch_size)
    assert contents(broken) == contents(whole)


def test_a_full_disk_is_told_and_what_was_answered_is_kept(tasks, tmp_path, monkeypatch):
    whole, path = tmp_path / "whole", tmp_path / "full"
    ask(FakeAnswerer(right), tasks, whole)
    real, written = os.fsync, []

    def full(handle):
        written.append(handle)
        if len(written) > 5:
            os.ftruncate(handle, os.fstat(handle).st_size - 9)  # only a part of the last row went in
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"no space left while writing .*full/.*\.jsonl; the answers before are kept"):
        ask(FakeAnswerer(right), tasks, path, batch_size=2)
    monkeypatch.setattr(os, "fsync", real)
    rest, everything = FakeAnswerer(right), FakeAnswerer(right)
    ask(rest, tasks, path)
    ask(everything, tasks, tmp_path / "other")
    assert 0 < len(rest.asked) < len(everything.asked)
    assert contents(path) == contents(whole)


def test_a_second_start_asks_only_what_is_missing(tasks, tmp_path):
    with pytest.raises(RuntimeError):
        ask(FakeAnswerer(right, dies_after=20), tasks, tmp_path, batch_size=4)
    model = FakeAnswerer(right)
    ask(model, tasks, tmp_path)
    total = FakeAnswerer(right)
    ask(total, tasks, tmp_path / "other")
    # a kill costs at most the batch in flight
    assert len(total.asked) - 20 <= len(model.asked) <= len(total.asked) - 20 + 4
    again = FakeAnswerer(right)
    ask(again, tasks, tmp_path)
    assert again.asked == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from evaluation_fakes import FakeAnswerer
from evaluation.asking import ask
from evaluation.tasks.load import load_tasks
model = FakeAnswerer()
model.reply = lambda *_: os.kill(os.getpid(), signal.SIGKILL) if len(model.asked) > 12 else "yes"
ask(model, load_tasks(["fgbmk"], [Path(sys.argv[1])]), Path(sys.argv[2]), batch_size=4)
"""


def test_kill_9_costs_at_most_the_batch_in_flight(data, tmp_path):
    here = Path(__file__).parent
    arguments = [sys.executable, "-c", KILLED, data, tmp_path / "out", here]
    killed = subprocess.run([str(one) for one in arguments], cwd=here.parents[1], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    rest = FakeAnswerer()
    answers = ask(rest, load_tasks(["fgbmk"], [data]), tmp_path / "out")
    assert len(rest.asked) == 24 - 12
    assert all(row["answer"] == "yes" for rows in answers.values() for row in rows)


@pytest.mark.parametrize("change", ["model_hash", "settings"])
def test_answers_of_another_model_or_setting_are_not_reused(tasks, tmp_path, change):
    ask(FakeAnswerer(lambda *_: "old"), tasks, tmp_path)
    model = FakeAnswerer(lambda *_: "new")
    setattr(model, change, {"chat": "other"} if change == "settings" else "hash-2")
    answers = ask(model, tasks, tmp_path)
    assert {row["answer"] for name, rows in answers.items() if "perplexity" not in name for row in rows} == {"new"}


def test_a_subset_asked_of_another_model_leaves_no_answer_of_the_first(tasks, tmp_path):
    ask(FakeAnswerer(lambda *_: "old"), tasks, tmp_path)
    model = FakeAnswerer(lambda *_: "new")
    model.model_hash = "hash-2"
    ask(model, tasks, tmp_path, subset=4)
    rows = [json.loads(line) for line in (tmp_path / "fgbmk__cub__species__choice.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["new"] * 4


def test_a_changed_image_or_prompt_is_asked_again_and_a_changed_gold_is_not(tmp_path):
    data = make_benchmark(tmp_path / "data")
    ask(FakeAnswerer(lambda *_: "1"), load_tasks(["drawn_count"], [data]), tmp_path / "out")
    folder = data / "general" / "count"
    (folder / "0.png").write_bytes((folder / "3.png").read_bytes())
    path = folder / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["question"] = "how many?"
    rows[2]["answer"] = "3"
    write_rows(path, rows)
    model = FakeAnswerer(lambda *_: "2")
    (task,) = load_tasks(["drawn_count"], [data])
    answers = ask(model, [task], tmp_path / "out")["drawn/count"]
    # 0.png now is 3.png, whose answer to the same words is known; only the new words are asked
    assert model.asked == [("1.png", "how many?")]
    assert [(row["answer"], row["gold"]) for row in answers] == [("1", "1"), ("2", "2"), ("1", "3"), ("1", "2")]


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_bad_image_is_named_before_anything_is_asked(tmp_path, damage):
    data = make_benchmark(tmp_path / "data")
    path = data / "CUB_200_2011" / "images" / "5.png"
    content = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(
        content[: len(content) // 2 if damage == "truncated" else 0]
    )
    model = FakeAnswerer()
    with pytest.raises(UserError, match=r"task fgbmk/cub/species/choice, question 6 .*5\.png"):
        ask(model, load_tasks(["fgbmk"], [data]), tmp_path / "out")
    assert model.asked == []


def test_a_damaged_answers_file_is_not_overwritten(tasks, tmp_path):
    path = tmp_path / "drawn__count.jsonl"
    path.write_text("not json\n{}\n")
    with pytest.raises(UserError, match="line 1"):
        ask(FakeAnswerer(), tasks, tmp_path)
    assert path.read_text().startswith("not json")


def test_a_model_that_drops_an_answer_is_a_defect(tasks, tmp_path):
    model = FakeAnswerer()
    model.answer = lambda groups: []
    with pytest.raises(RuntimeError, match="gave 0 answers"):
        ask(model, tasks, tmp_path)


def test_the_subset_is_fixed_and_keeps_the_proportions(tmp_path):
    images = 40
    (task,) = load_tasks(["fgbmk/cub/species/choice"], [make_benchmark(tmp_path, images)])
    chosen = subset_of(task, 8)
    assert len(chosen) == 8
    assert sorted(item.gold for item in chosen) == sorted(SPECIES * 2)
    shuffled = type(task)(**{**task.__dict__, "items": task.items[::-1]})
    assert {item.question_id for item in subset_of(shuffled, 8)} == {item.question_id for item in chosen}
    assert {i.question_id for i in subset_of(task, 4)} <= {i.question_id for i in chosen}
    assert subset_of(task, None) == subset_of(task, 999) == task.items


def test_answers_to_the_subset_serve_the_whole(tasks, tmp_path):
    small = FakeAnswerer(right)
    scores = evaluate(small, tasks, tmp_path, subset=4)
    assert scores["fgbmk/cub/species/choice"].n == 4
    rest = FakeAnswerer(right)
    assert evaluate(rest, tasks, tmp_path)["fgbmk/cub/species/choice"].n == 8
    assert not set(small.asked) & set(rest.asked)
    assert evaluate(FakeAnswerer(right), tasks, tmp_path, subset=4) == scores


@given(st.randoms(use_true_random=False), st.lists(st.text(max_size=12), min_size=8, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_do_not_depend_on_the_order_of_rows(tasks, tmp_path_factory, random, texts):
    answers = ask(FakeAnswerer(lambda i, p: texts[int(i.split(".")[0])]), tasks, tmp_path_factory.mktemp("order"))
    for task in tasks:
        rows = answers[task.name][:]
        random.shuffle(rows)
        assert score_answers(task, rows) == score_answers(task, answers[task.name])


def test_graded_scores_do_not_depend_on_the_order_of_rows():
    # sums of such numbers differ in their last digit when they are added in another order
    golds = ["abcdefg", "abcdefghi", "abc", "abcdefghijk", "abcdefghijklm", "abcdef"]
    row = {"image": "one.png", "category": "x", "question": "?", "answer": "abcdefz", "finished": True}
    rows = [{**row, "question_id": index, "gold": gold} for index, gold in enumerate(golds * 3)]
    task = task_without_items("drawn/document")
    assert len({score_answers(task, rows[k:] + rows[:k]).main.value for k in range(len(rows))}) == 1


def test_odd_answers_are_kept_whole(tasks, tmp_path):
    odd = ["\u2028a\x1cb\x0b", "\ud800 half a pair", "x" * 100_000, "\u202eevil\u0000", "", "{}\n[]", "İß½", "no\r\n"]
    model = FakeAnswerer(lambda image, prompt: odd[int(image.split(".")[0])])
    first = evaluate(model, tasks, tmp_path)
    assert evaluate(FakeAnswerer(), tasks, tmp_path) == first
    answers = ask(FakeAnswerer(), tasks, tmp_path)["fgbmk/cub/species/choice"]
    assert [row["answer"] for row in answers] == odd


def test_notes_count_what_was_cut_off_and_what_could_not_be_read(tasks, tmp_path):
    task = next(task for task in tasks if task.name == "fgbmk/cub/species/choice")
    rows = ask(FakeAnswerer(lambda *_: "dunno"), [task], tmp_path)[task.name]
    rows[0]["finished"] = False
    score = score_answers(task, rows)
    assert "1 of 8 answers were cut off at 32 tokens" in score.notes
    assert "8 of 8 answers unparsed under strict (counted as wrong)" in score.notes


def test_disagreement_of_the_rules_is_counted(tasks, tmp_path):
    task = next(task for task in tasks if task.name == "fgbmk/cub/species/true_false")
    score = evaluate(FakeAnswerer(lambda *_: "unknown"), [task], tmp_path)[task.name]
    assert score.main.value == 50  # "no" is in "unknown"
    assert score.disagreements == 4


def test_a_jobs_log_says_now_and_then_how_far_it_is(tasks, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("data_builders.shared.progress.SECONDS_A_LINE", 0.0)
    ask(FakeAnswerer(), tasks, tmp_path, batch_size=4)
    assert re.search(r"asking 8 tasks: \d+ of 41 questions, [\d.,]+/s, \d+ min left", capsys.readouterr().err)
