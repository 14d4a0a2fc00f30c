"""The answer on disk and on the terminal: nothing is lost, every number stands beside its interval."""

import json

import pytest
from study_run_fakes import make_arms

from data_builders.shared.errors import UserError
from evaluation.study import StudyRuns, answer_words, from_json, print_answer, read_answer, study_answer, write_answer

MATCHED = [
    {"what": "exposures.fg", "values": {"early": 12000, "late": 12000}, "equal": True, "exempt": ["none"], "note": ""},
    {"what": "tokens", "values": {"early": 900, "late": 950}, "equal": False, "exempt": [], "note": "Late pads more."},
    {"what": "updates.x", "values": {"early": None, "late": 5}, "equal": None, "exempt": (), "note": "unknown parts"},
]


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    arms = make_arms(tmp_path_factory.mktemp("runs"), {"none": (-2.0, 1.8), "early": (1.4, 0.6)}, images=40)
    arms["late"] = {}
    pairs = (("early", "none"), ("late", "none"))
    costs = {"early": 1.25, "none": None}
    return study_answer(StudyRuns("placement", "Where?", arms, ("fine_grained", "forgetting"), pairs, MATCHED, costs))


def test_what_was_written_is_read_again(tmp_path, answer):
    write_answer(answer, tmp_path / "study")
    assert read_answer(tmp_path / "study") == answer
    values = json.loads((tmp_path / "study" / "answer.json").read_text())
    assert values["words"] == answer_words(answer)
    assert values["matched"] == [{**one, "exempt": list(one["exempt"])} for one in MATCHED]
    with pytest.raises(UserError, match="not the answer of a study"):
        from_json({"name": None})


def test_the_words_hold_all_that_was_found_and_all_that_was_not(tmp_path, answer):
    write_answer(answer, tmp_path)
    text = (tmp_path / "answer.md").read_text()
    for sentence in [*answer_words(answer), *answer.not_measured, *answer.notes]:
        assert f"- {sentence}" in text
    assert "- exposures.fg: equal (early 12,000, late 12,000; exempt: none)" in text
    assert "- tokens: NOT equal (early 900, late 950). Late pads more." in text
    assert "- updates.x: not proven equal (early -, late 5). unknown parts" in text
    assert "- early: at the checkpoint align" in text
    assert "| late | not measured | not measured | 0 | unknown |" in text


def test_the_terminal_shows_it_in_80_columns(capsys, answer):
    print_answer(answer)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert answer_words(answer)[0][:40] in shown
    assert "1.25" in shown
    assert "not measured" in shown
