"""From answers on disk to what was learned and what was forgotten."""

import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark

from data_builders.errors import UserError
from evaluation.engine import evaluate
from evaluation.ledger import WORDS, changes, forgetting, gain, mean, read_run, transition, transitions
from evaluation.scores import TaskScore, add_checkpoint, read_scores
from evaluation.task import load_tasks


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


def test_forgetting_is_best_so_far_minus_now_and_gain_is_now_minus_start(run):
    history = read_run(run)
    assert forgetting(history) == {"drawn/count": 75.0}
    assert forgetting(history, 1) == {"drawn/count": 0.0}
    assert gain(history)["fgbmk/cub/species/short_answer"] == 75.0
    assert mean(forgetting(history)) == 75.0
    assert mean({}) is None


def test_perplexity_is_in_no_mean_of_percentages(run):
    assert read_run(run).common("general") == ["drawn/count"]


def test_every_item_is_in_exactly_one_word(run):
    history = read_run(run)
    for task, items in history.items.items():
        for counts in transitions(items):
            assert set(counts) == set(WORDS)
            assert sum(counts.values()) == history.tasks[0][task].n
    assert transitions(history.items["drawn/count"])[1] == dict.fromkeys(WORDS, 0) | {"kept": 1, "forgotten": 3}
    first, second = transitions(history.items["fgbmk/cub/species/short_answer"])
    assert (first["learned"], second["learned"], second["kept"]) == (4, 2, 4)


def test_items_give_the_score_that_is_on_record(run):
    history = read_run(run)
    assert "frow/cub" in history.items
    for task, items in history.items.items():
        for index in range(3):
            value = 100 * sum(item.scores[index] for item in items) / len(items)
            assert value == pytest.approx(history.value(task, index))


def test_changes_are_paired_with_interval_and_exact_p(run):
    found = {one.task: one for one in changes(read_run(run))}
    one = found["drawn/count"]
    assert (one.before, one.after, one.n) == (50, 25, 4)
    assert one.low <= -25 <= one.high
    assert one.p == 1  # one question got worse, none better
    assert found["fgbmk/cub/species/short_answer"].p == pytest.approx(2 * 0.5**6)


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"scores\.json|no file"):
        read_run(tmp_path)
    (tmp_path / "scores.json").write_text("[]")
    with pytest.raises(UserError, match="not a run's scores"):
        read_run(tmp_path)
