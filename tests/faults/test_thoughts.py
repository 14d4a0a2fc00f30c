"""Thoughts are no part of an answer, however they are marked and wherever the answer comes from."""

import json
import sys
from pathlib import Path

import pytest
from endpoint_faults import choice, hurried, outcome
from table import rows

from evaluation.__main__ import main
from evaluation.asking.answer_rows import outcome_of
from evaluation.protocols import Answer

sys.path.append(str(Path(__file__).resolve().parents[1] / "evaluation"))
from judging_fakes import make_frow, make_run

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]

GPT_OSS = "<|channel|>analysis<|message|>no?<|end|><|start|>assistant<|channel|>final<|message|>Yes<|return|>"
KINDS = (
    ("closed", "<think>no?</think>\nYes", "Yes"),
    ("never opened, as templates do", "no?</think>\n\nYes", "Yes"),
    ("never closed", "<think>\nOkay, let me look: no", ""),
    ("never closed, behind an answer", "Yes <think> or no", "Yes"),
    ("thinking", "<thinking>no?</thinking>Yes", "Yes"),
    ("thinking, never closed", "<thinking>no?", ""),
    ("with capitals and blanks", "<Think >no?</ THINK >Yes", "Yes"),
    ("with an attribute", '<think time="3">no?</think>Yes', "Yes"),
    ("twice", "<think>no?</think><think>yes?</think>Yes", "Yes"),
    ("opened twice", "<think>I <think> no?</think>Yes", "Yes"),
    ("Magistral's", "[THINK]no?[/THINK]Yes", "Yes"),
    ("Kimi's", "◁think▷no?◁/think▷Yes", "Yes"),
    ("Seed's", "<seed:think>no?</seed:think>Yes", "Yes"),
    ("gpt-oss's", GPT_OSS, "Yes"),
    ("nothing thought", "<think>\n\n</think>\n\nYes", "Yes"),
)


@rows(*((what, how, out or None) for what, how, out in KINDS))
def test_thoughts_of_an_endpoint(tmp_path, how, out):
    assert outcome(tmp_path, choice(how)) == out


@rows(
    ("beside the answer", {"content": "Yes", "reasoning_content": "no?"}, "Yes"),
    ("beside the answer, OpenRouter's", {"content": "Yes", "reasoning": "no?"}, "Yes"),
    ("instead of an answer", {"content": None, "reasoning_content": "no?"}, None),
    ("instead of an answer, empty", {"content": "", "reasoning": "no?"}, None),
)
def test_thoughts_in_a_part_of_their_own(tmp_path, how, out):
    assert outcome(tmp_path, choice({"role": "assistant", **how})) == out


def row_of(answer: str) -> dict:
    about = {"task": "pope", "question_id": 1, "question": "Is there a kite?", "category": "random", "image": "1.jpg"}
    return {**about, "gold": "yes", "answer": answer}


@rows(*((what, how, (out == "Yes", bool(out))) for what, how, out in KINDS[:4]))
def test_thoughts_in_predictions(tmp_path, how, out):
    """(right, read at all), and the count of those that came with thoughts."""
    (tmp_path / "p.jsonl").write_text(json.dumps(row_of(how)) + "\n")
    assert main(["score", "pope", "--predictions", f"{tmp_path}/p.jsonl", "--out", f"{tmp_path}/s.json"]) == 0
    score = json.loads((tmp_path / "s.json").read_text())
    unparsed = score["unparsed"].get("pope_vlmevalkit", 0)
    assert (score["scores"][0]["value"] == 100, not unparsed) == out
    assert any("1 of 1 answers came with thoughts" in note for note in score["notes"])


@rows(*((what, how, out) for what, how, out in KINDS[:4]))
def test_thoughts_of_a_model_on_this_machine(how, out):
    given = outcome_of(Answer(how, True), None)
    assert (given["answer"], given["thoughts"] > 0) == (out, True)


@rows(
    ("closed", "<think>Could it be a red wug?</think>lum wug", 2),
    ("never closed", "<think>It is the lum wug, or", 0),
)
def test_thoughts_in_answers_that_are_judged(tmp_path, how, out):
    answers = make_run(tmp_path / "run", make_frow(tmp_path / "data"), {1: how})
    assert main(["judge", "--answers", str(answers), "--deterministic", "--out", f"{tmp_path}/judged"]) == 0
    row = json.loads((tmp_path / "judged" / answers.name).read_text().splitlines()[0])
    assert (row["Item_accuracy_score"], "<think>" in row["answer"]) == (out, False)
