"""One change by hand: its parts, and questions about one picture as one witness."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.ledger import compare_answers
from evaluation.ledger.answers import Answers
from evaluation.ledger.faults import NONE, UNPARSED


def answers(scores, faults=None, clusters=None):
    scores = np.asarray(scores, np.float32)
    count = len(scores)
    return Answers(
        path=Path("a.jsonl"),
        ids=np.arange(count),
        clusters=np.arange(count) if clusters is None else clusters,
        scores=scores,
        faults=np.full(count, NONE, np.uint8) if faults is None else np.asarray(faults, np.uint8),
        weighed=np.zeros(count, bool),
        offsets=np.zeros(count, np.int64),
        value=100 * float(scores.mean()),
        influence=scores - scores.mean(),
        measure=None,
        constant=None,
    )


def change(before, after):
    scores = [
        {"primary": "exact", "scores": [{"rule": "exact", "value": one.value, "n": len(one.ids)}]}
        for one in (before, after)
    ]
    return compare_answers("drawn/count", before, after, tuple(scores))


def test_what_got_worse_counts_by_what_is_wrong_now_and_what_got_better_by_what_was_wrong_before():
    before = answers([1, 1, 1, 0, 0, 0], [NONE, NONE, NONE, UNPARSED, NONE, NONE])
    after = answers([0, 0, 1, 1, 0, 0], [UNPARSED, NONE, NONE, NONE, UNPARSED, NONE])
    found = change(before, after)
    # form: one lost, one won; knowledge: one lost
    assert found.split.form.value == pytest.approx(0)
    assert found.split.knowledge.value == pytest.approx(-100 / 6)
    assert found.split.lost == {"none": 1, "unparsed": 1}
    assert (found.worse, found.better, found.split.moved) == (2, 1, 3)


def test_six_questions_about_a_picture_are_one_witness():
    before, after = np.tile([1, 0, 1, 1, 0], 8), np.tile([1, 1, 0, 0, 0], 8)
    alone = change(answers(before), answers(after))
    clusters = np.repeat(np.arange(40), 6)
    six = change(*(answers(np.repeat(one, 6), clusters=clusters) for one in (before, after)))
    assert (six.n, six.images) == (240, 40)
    assert six.high - six.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert six.split.knowledge.high - six.split.knowledge.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_a_change_of_every_answer_is_no_certainty():
    found = change(answers(np.zeros(20)), answers(np.ones(20)))
    assert (found.value, found.high) == (100, 100)
    assert found.low == pytest.approx(100 * 0.025 ** (1 / 20))
    same = change(answers(np.ones(20)), answers(np.ones(20)))
    assert same.low == pytest.approx(-same.high)
    assert same.high > 10
