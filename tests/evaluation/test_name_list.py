"""All names of a data set behind one picture: the trie gives what each name scored alone gives."""

import dataclasses
import math

import numpy as np
import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark
from lvlm_fakes import FAMILIES
from PIL import Image
from report_fakes import make_run

import evaluation.asking.answerers.name_trie as name_trie
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl, write_json
from evaluation.asking import evaluate
from evaluation.asking.answerers.lvlm import TransformersAnswerer
from evaluation.asking.one_batch import GREY
from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.protocols import ImageQuestions, Question
from evaluation.report.name_lists import name_lists
from evaluation.report.page import render
from evaluation.scoring.name_lists import area_under_risk
from evaluation.scoring.predictions import read_predictions
from evaluation.scoring.score_answers import score_answers
from evaluation.shared.number_lists import read, written
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import task_without_items

# Names that begin others, names of one token, names that share their beginning or their end.
NAMES = ("gull", "gull tern", "gull ternlet", "g", "a", "arctic tern", "arctic skua", "x tern", "Gull")
ONE = Question("Which bird?", 0, names=NAMES)


@pytest.fixture(scope="module", params=["llava", "qwen2_5_vl"])
def model(request, tmp_path_factory):
    return TransformersAnswerer(str(FAMILIES[request.param](tmp_path_factory.mktemp(request.param) / "model")))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


def ask(model, picture, *questions):
    return [answer.names for answer in model.answer([ImageQuestions(picture, questions)])[0]]


@pytest.mark.parametrize("limit", [2048, 7])
def test_the_trie_equals_each_name_alone(model, picture, limit, monkeypatch):
    """One forward a name, without cache; behind a picture and behind none; in chunks that part shared beginnings."""
    monkeypatch.setattr(name_trie, "NODES_AT_ONCE", limit)
    trie = name_trie.name_trie(model.chat.options(ONE.prompt, NAMES, True))
    assert trie.nodes_at_once <= max(limit, *map(len, model.chat.options(ONE.prompt, NAMES, True)))
    assert (len(trie.chunks) > 3) == (limit == 7)
    for image in (picture, None):
        read = None if image is None else model.pictures.read(image)
        ids, _ = model.chat.prompt(ONE.prompt, read)
        alone = model.alone.names(ids, read, model.chat.options(ONE.prompt, NAMES, image is not None))
        other = dataclasses.replace(ONE, prompt="What is it, and why?", names=NAMES[::2])
        found, plain, fewer = ask(model, image, ONE, Question("What is it?", 5), other)
        assert found == pytest.approx(alone, rel=1e-5, abs=1e-5)
        assert plain is None
        assert len(fewer) == len(other.names)
        assert len(set(np.round(alone, 3))) == len(NAMES), "names that differ"
        assert sum(map(math.exp, found)) < 1, "they are different answers"


def test_a_name_has_its_probability_whatever_the_list(model, picture):
    """Its place and its company do not count."""
    (found,) = ask(model, picture, ONE)
    expected = dict(zip(NAMES, found, strict=True))
    for names in (NAMES[::-1], NAMES[:4], (*NAMES[2:], "gu", "gull terns")):
        (again,) = ask(model, picture, dataclasses.replace(ONE, names=names))
        for name, value in zip(names, again, strict=True):
            assert name not in expected or value == pytest.approx(expected[name], rel=1e-5, abs=1e-5)


def test_a_task_asks_the_whole_list_and_the_blank_picture_once(model, tmp_path, monkeypatch):
    """Rows are whole: what is asked again finds them; their scores need neither question file nor model."""
    [task] = load_tasks(["names"], [make_benchmark(tmp_path / "data")])
    assert (task.name, task.group, task.names) == ("names/cub/species", "beside", tuple(sorted(SPECIES)))
    pictures = []
    monkeypatch.setattr(
        model, "answer", lambda groups, answer=model.answer: pictures.extend(g.image for g in groups) or answer(groups)
    )
    score = evaluate(model, [task], tmp_path / "out", batch_size=3)[task.name]
    assert len(pictures) == len(task.items) + 1
    assert pictures.count(GREY) == 1
    rows = list(read_jsonl(tmp_path / "out" / task.file_name))
    assert score.chance == 25
    assert score.main.metric == "top1"
    assert score.main.value == 100 * np.mean([row["answer"] == row["gold"] for row in rows])
    assert evaluate(model, [task], tmp_path / "out")[task.name] == score
    assert len(pictures) == len(task.items) + 1, "nothing is asked again"
    found, _ = read_predictions(task_without_items(task.name), tmp_path / "out" / task.file_name)
    assert score_answers(task_without_items(task.name), found).scores == score.scores
    for times, another in enumerate(("wug", "wag"), 2):
        evaluate(model, [dataclasses.replace(task, names=(*task.names, another))], tmp_path / "out")
        assert len(pictures) == times * (len(task.items) + 1), "another list is another question"


def test_who_gives_no_probabilities_is_not_asked_for_them(tmp_path):
    model = FakeAnswerer()
    model.measures_names = False
    tasks = load_tasks(["names", "drawn/count"], [make_benchmark(tmp_path / "data")])
    with pytest.raises(UserError, match="leave out names/cub/species, or ask the model on this machine"):
        evaluate(model, tasks, tmp_path / "out")
    assert model.asked == []


def drawn_rows(seed, pictures=60, names=7, constant=False):
    """Rows of a model that is right more often when it is sure."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(pictures):
        gold, sure = int(rng.integers(names)), rng.uniform(0, 3)
        log_p = rng.normal(-9, 1, names)
        log_p[gold] += sure
        prior = np.full(names, -4.0) if constant else rng.normal(-9, 1, names)
        lists = {"log_probability": written(log_p), "prior": written(prior)}
        rows.append({
            "question_id": i, "image": f"{i % 50}.png", "category": "generic", "question": "?", "gold": f"n{gold}",
            "answer": f"n{int(log_p.argmax())}", "finished": True, "gold_place": gold, "names": lists,
        })  # fmt: skip
    return rows


def values_of(score, rule):
    return {one.metric: one.value for one in score.scores if one.rule == rule}


def test_the_measures_of_a_list():
    task, rows = task_without_items("names/cub/species"), drawn_rows(0)
    score = score_answers(task, rows)
    ranks, confidences = [], []
    for row in rows:
        p = np.exp(read(row["names"]["log_probability"]))
        ranks.append(1 + int((p > p[row["gold_place"]]).sum()))
        confidences.append(float(p.max() / p.sum()))
    ranks, confidences = np.array(ranks), np.array(confidences)
    found = values_of(score, "names")
    assert found["top1"] == pytest.approx(100 * (ranks == 1).mean())
    assert found["top5"] == pytest.approx(100 * (ranks <= 5).mean())
    assert found["mrr"] == pytest.approx(100 * (1 / ranks).mean())
    bins = [np.clip(np.ceil(confidences * 15) - 1, 0, 14) == b for b in range(15)]
    gaps = [abs(confidences[b].sum() - (ranks[b] == 1).sum()) for b in bins]
    assert found["ece"] == pytest.approx(100 * sum(gaps) / len(rows))
    surest = np.argsort(-confidences)
    risks = np.cumsum(ranks[surest] > 1) / np.arange(1, len(rows) + 1)
    assert found["aurc"] == pytest.approx(100 * risks.mean())
    curves = score.name_lists["names"]
    assert curves["risk"][-1] == pytest.approx([1.0, 1 - found["top1"] / 100]), "risk at full coverage"
    assert [risk for _, risk in curves["risk"]] == pytest.approx(list(risks))
    assert sum(count for *_, count in curves["reliability"]) == len(rows)
    assert all(one.low <= one.value <= one.high for one in score.scores)
    assert score_answers(task, rows[::-1]) == score
    with pytest.raises(UserError, match="holds no log-probabilities of a list"):
        score_answers(task, [{**rows[0], "names": None}])


def test_the_prior_counts_but_a_constant_one_does_not():
    task = task_without_items("names/cub/species")
    flat = score_answers(task, drawn_rows(1, constant=True))
    same = values_of(flat, "names")
    assert values_of(flat, "names_prior") == pytest.approx({key: same[key] for key in values_of(flat, "names_prior")})
    other = score_answers(task, drawn_rows(1))
    assert values_of(other, "names_prior")["top1"] != values_of(other, "names")["top1"]


def test_more_pictures_than_levels_of_coverage():
    right, confidence = np.array([1.0, 0.0] * 300), np.linspace(0.9, 0.1, 600)
    measure = area_under_risk(right, confidence)
    exact = (np.cumsum(1 - right) / np.arange(1, 601)).mean()
    assert float(measure.statistic(measure.columns_NC.sum(0))) == pytest.approx(exact, abs=0.01)


def test_the_report_shows_lists_side_by_side(tmp_path):
    """Beside the means: no number of the rest of the report changes."""
    task = task_without_items("names/cub/species")
    plain = make_run(tmp_path / "plain", "a")
    folder = make_run(tmp_path, "a")
    scores = read_json(folder / "scores.json")
    for number, checkpoint in enumerate(scores["checkpoints"]):
        checkpoint["tasks"][task.name] = score_answers(task, drawn_rows(number)).to_json()
    write_json(folder / "scores.json", scores)
    found, without = (compare_runs([load_run(one)]) for one in (folder, plain))
    assert found.runs[0].means == without.runs[0].means
    assert found.runs[0].forgetting == without.runs[0].forgetting
    shown = name_lists(found)
    [table] = shown["tasks"]
    assert [(row["checkpoint"].name, row["rule"]) for row in table["rows"]][1::2] == [
        ("start", "without the prior"),
        ("fg", "without the prior"),
    ]
    assert table["rows"][2]["cells"][0]["value"] == values_of(score_answers(task, drawn_rows(3)), "names")["top1"]
    assert table["rows"][3]["cells"][-1] is None, "the probability of the list is of the model, not of a rule"
    assert [len(one["wide"].lines) for one in table["figures"]] == [3, 2]
    page = render(found)
    assert "The whole list of names, by likelihood" in page
    assert "The whole list of names" not in render(without)
