"""From answers on disk to what was learned and what was forgotten."""

import errno
import fcntl
import json
import multiprocessing

import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark

from data_builders.shared.errors import UserError
from evaluation.asking import evaluate
from evaluation.compare import compare_runs, to_json
from evaluation.ledger import WORDS, ItemStore, forgetting, load_run, shared_tasks, transition
from evaluation.scoring.score_files import TaskScore, add_checkpoint, read_scores
from evaluation.scoring.statistics import holm
from evaluation.tasks.load import load_tasks


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ((False, True), "learned"),
        ((True, True), "kept"),
        ((True, False), "forgotten"),
        ((False, False), "never right yet"),
        ((True, False, True), "regained"),
        ((True, False, False), "still forgotten"),
    ],
)
def test_transition(history, word):
    assert transition(history) == word


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three checkpoints: counting half; counting well and half the species; species, and hardly counting."""
    root = tmp_path_factory.mktemp("run")
    tasks = load_tasks(
        ["fgbmk/cub/species/short_answer", "drawn/count", "frow", "perplexity"], [make_benchmark(root / "d")]
    )
    folder = root / "three"

    def model(species, count):
        def reply(image, prompt):
            number = int(image.split(".")[0])
            if "count" in prompt:
                return str(1 + number % 2) if number < count else "?"
            return SPECIES[number % 4] if number < species else "?"

        answerer = FakeAnswerer(reply)
        answerer.model_hash = f"{species}-{count}"
        return answerer

    for index, (name, species, count) in enumerate([("start", 0, 2), ("align", 4, 4), ("sft", 6, 1)]):
        scores = evaluate(model(species, count), tasks, folder / "answers" / name)
        stage = None if name == "start" else name
        more = {"stage": stage, "samples_seen": index * 100, "step": index, "model_hash": f"{species}-{count}"}
        add_checkpoint(folder, name, scores=scores, **more)
    return folder


def test_scores_survive_the_disk(run):
    scores = read_scores(run)
    assert scores["run"] == "three"
    assert [checkpoint["name"] for checkpoint in scores["checkpoints"]] == ["start", "align", "sft"]
    for checkpoint in scores["checkpoints"]:
        for name, value in checkpoint["tasks"].items():
            score = TaskScore.from_json(value)
            assert score.task == name
            assert score.to_json() == value


def test_a_checkpoint_scored_again_keeps_its_place(run):
    before = read_scores(run)
    entry = before["checkpoints"][1]
    scores = {name: TaskScore.from_json(value) for name, value in entry["tasks"].items()}
    more = {key: entry[key] for key in ("stage", "samples_seen", "step", "model_hash")}
    add_checkpoint(run, "align", scores=scores, **more)
    assert read_scores(run) == before


def _enter(run, names):
    for name in names:
        add_checkpoint(run, name, stage=None, samples_seen=int(name), step=0, model_hash="m", scores={})


@pytest.mark.parametrize("locks", [True, False])
def test_processes_that_enter_scores_at_once_lose_none(tmp_path, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr(fcntl, "flock", _no_locks)
    context = multiprocessing.get_context("fork")
    names = [[str(10 * number + place) for number in range(10)] for place in range(3)]
    processes = [context.Process(target=_enter, args=(tmp_path, part)) for part in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    entered = [checkpoint["name"] for checkpoint in read_scores(tmp_path)["checkpoints"]]
    assert entered == sorted((name for part in names for name in part), key=int)


def _no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.fixture(scope="module")
def found(run):
    return compare_runs([load_run(run)])


def test_forgetting_is_best_so_far_minus_now_and_gain_is_now_minus_start(run, found):
    result = found.runs[0]
    assert [one.value for one in result.forgetting] == [0.0, 75.0]
    assert forgetting(ItemStore(), result.run, ["fgbmk/cub/species/short_answer"]).value == 0
    assert result.tasks["fgbmk/cub/species/short_answer"].from_base[-1].value == 75.0
    fine = [one.from_base[-1].value for one in result.tasks.values() if one.group == "fine_grained"]
    assert result.gain[-1].value == pytest.approx(sum(fine) / len(fine))


def test_perplexity_is_in_no_mean_of_percentages(run):
    assert shared_tasks(load_run(run), "general") == ["drawn/count"]


def test_every_item_is_in_exactly_one_word(found):
    tasks = found.runs[0].tasks
    assert "frow/cub" in tasks
    for one in tasks.values():
        for counts in one.history.words():
            assert set(counts) == set(WORDS)
            assert sum(counts.values()) == one.from_base[0].n
    assert tasks["drawn/count"].history.words()[1] == dict.fromkeys(WORDS, 0) | {"kept": 1, "forgotten": 3}
    first, second = tasks["fgbmk/cub/species/short_answer"].history.words()
    assert (first["learned"], second["learned"], second["kept"]) == (4, 2, 4)


def test_changes_are_paired_with_interval_and_exact_p(found):
    tasks = found.runs[0].tasks
    one = tasks["drawn/count"].from_base[-1]
    assert (one.before, one.after, one.n, one.paired) == (50, 25, 4, True)
    assert one.low <= -25 <= one.high
    assert one.p == 1  # one question got worse, none better
    assert tasks["fgbmk/cub/species/short_answer"].from_base[-1].p == pytest.approx(2 * 0.5**6)


def test_p_values_are_adjusted_over_the_tasks_of_one_comparison(found):
    changes = [one.from_base[-1] for one in found.runs[0].tasks.values()]
    assert holm([one.p for one in changes]) == [one.p_holm for one in changes]


def test_a_change_is_the_sum_of_form_and_knowledge(found):
    for one in found.runs[0].tasks.values():
        for change in (*one.from_base, *one.from_before):
            assert change.split.form.value + change.split.knowledge.value == pytest.approx(change.value)
            assert sum(change.split.lost.values()) <= change.split.moved


def test_the_numbers_survive_as_json(found):
    assert json.loads(json.dumps(to_json(found), allow_nan=False)) == to_json(found)


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"scores\.json|no file"):
        load_run(tmp_path)
    (tmp_path / "scores.json").write_text("[]")
    with pytest.raises(UserError, match=r"scores\.json is not"):
        load_run(tmp_path)
