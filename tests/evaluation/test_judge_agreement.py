"""Agreement of two judges: the textbook's kappa, the same answers on both sides, nothing left out in silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from data_builders.shared.files import read_json, write_jsonl
from evaluation import __main__ as command
from evaluation.judging.agreement import columns, kappa

GRADES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)


def judged(path, grades, judge="a", **changes):
    rows = [
        {
            "name": f"n{number}",
            "image": f"images/{number}.jpg",
            "question": "What?",
            "answer": "something",
            "Item_accuracy_score": item,
            "Fact_accuracy_score": fact,
            "judge": judge,
            **changes,
        }
        for number, (item, fact) in enumerate(grades)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, rows)
    return path


def agreement(*paths, out):
    status = command.main(["judge-agreement", *map(str, paths), "--out", str(out)])
    return read_json(out) if status == 0 else status


@given(GRADES)
def test_kappa_is_quadratically_weighted_as_scikit_learn_has_it(pairs):
    a, b = np.asarray(pairs, float).T
    found = float(kappa(columns(a, b).sum(0)))
    if len(set(a) | set(b)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(a, b, weights="quadratic", labels=[0, 1, 2, 3]), abs=1e-9)


def some(seed, count=60):
    generator = np.random.default_rng(seed)
    return list(zip(generator.integers(0, 3, count).tolist(), generator.integers(0, 4, count).tolist(), strict=True))


def test_a_judge_agrees_with_itself_and_hardly_with_chance(tmp_path, capsys):
    a, b = judged(tmp_path / "a.jsonl", some(1)), judged(tmp_path / "b.jsonl", some(2), "b")
    same = agreement(a, a, out=tmp_path / "o.json")
    assert (same["item"]["kappa"]["value"], same["fact"]["equal"]["value"]) == (1, 1)
    other = agreement(a, b, out=tmp_path / "o.json")
    for grade in ("item", "fact"):
        one = other[grade]["kappa"]
        assert one["low"] < 0 < one["high"]
        assert one["low"] < one["value"] < one["high"]
        assert sum(count for *_, count in other[grade]["table"]) == 60
    turned = agreement(b, a, out=tmp_path / "o.json")
    assert turned["item"]["kappa"]["value"] == pytest.approx(other["item"]["kappa"]["value"])
    assert turned["item"]["difference"]["value"] == pytest.approx(-other["item"]["difference"]["value"])
    assert "weighted kappa" in capsys.readouterr().out


def test_order_does_not_matter(tmp_path):
    a, b = judged(tmp_path / "a.jsonl", some(1)), judged(tmp_path / "b.jsonl", some(2), "b")
    first = agreement(a, b, out=tmp_path / "o.json")
    lines = b.read_text().splitlines(keepends=True)
    b.write_text("".join(lines[::-1]))
    assert agreement(a, b, out=tmp_path / "o.json") == first


def test_what_either_judge_left_out_is_counted(tmp_path, capsys):
    grades = some(1)
    a = judged(tmp_path / "a.jsonl", grades)
    b = judged(tmp_path / "b.jsonl", [*grades[:-3], (None, 1), ("two", 1), (3, 9)], "b")
    rows = b.read_text().splitlines(keepends=True)
    # the first answer's row lies beside the file, as ours does
    (tmp_path / "b.unjudged.jsonl").write_text(rows[0].replace("_score", "_reason"))
    b.write_text("".join(rows[1:]))
    found = agreement(a, b, out=tmp_path / "o.json")
    assert (found["answers"], found["judged_by_both"]) == (60, 56)
    assert (found["unjudged_by_first"], found["unjudged_by_second"]) == (0, 4)
    assert found["item"]["kappa"]["value"] == 1
    assert "4 of 60 answers are unjudged by b" in capsys.readouterr().out


def test_files_about_other_answers_are_refused(tmp_path, capsys):
    grades, out = some(1), tmp_path / "o.json"
    a = judged(tmp_path / "a.jsonl", grades)
    for b, message in [
        (judged(tmp_path / "short.jsonl", grades[:-2]), "no row for 2 of the answers"),
        (judged(tmp_path / "other.jsonl", grades, answer="else"), "different answers to 60 questions"),
        (judged(tmp_path / "question.jsonl", grades, question="Who?"), "no row for 60"),
        (judged(tmp_path / "twice.jsonl", grades[:2], image="images/0.jpg"), "there already"),
        (judged(tmp_path / "no_image.jsonl", grades, image=None), "image is None"),
        (judged(tmp_path / "none.jsonl", [(None, None)] * 60), "no answer is judged in both"),
        (tmp_path / "absent.jsonl", "no judge's file"),
    ]:
        for pair in ((a, b), (b, a)):
            assert agreement(*pair, out=out) == 2
            assert message in capsys.readouterr().err


def test_published_files_hold_absolute_image_paths(tmp_path):
    a = judged(tmp_path / "a.jsonl", some(1))
    b = judged(tmp_path / "b.jsonl", some(1))
    b.write_text(b.read_text().replace('"images/', '"/somebody/data/images/'))
    assert agreement(a, b, out=tmp_path / "o.json")["item"]["kappa"]["value"] == 1


def test_judges_that_always_say_the_same_have_no_kappa(tmp_path, capsys):
    a = judged(tmp_path / "a.jsonl", [(2, 3)] * 5)
    found = agreement(a, a, out=tmp_path / "o.json")
    assert found["item"]["kappa"]["value"] is None
    assert found["item"]["equal"]["value"] == 1
    assert "undefined" in capsys.readouterr().out
