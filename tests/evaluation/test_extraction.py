"""MathVista's extraction by a model: asked only where the reply is not the answer itself, and never guessed for."""

from types import SimpleNamespace

import pytest

from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.scoring.extraction import NOTHING, ModelExtractor, with_extractions
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

QUERY = "Hint: Please answer the question requiring an integer answer and provide the final value.\nQuestion: How many?"


class FakeClient:
    """An endpoint that finds the last digit of a reply."""

    def __init__(self):
        self.endpoint, self.asked = SimpleNamespace(model="reader", concurrency=1), []
        self.kept_by, self.sender = {}, SimpleNamespace(fresh_by=set())

    def ask(self, messages, **settings):
        self.asked.append(messages[-1]["content"])
        digits = [letter for letter in messages[-1]["content"].split("Reply:")[1] if letter.isdigit()]
        return digits[-1] if digits else f"{NOTHING}."

    def another(self):
        return False

    def each(self, function, items, what, unit):
        return map(function, items)


def rows(*answers):
    row = {"image": "1.png", "category": "x", "question": QUERY, "gold": "3"}
    return [{**row, "question_id": place, "answer": answer} for place, answer in enumerate(answers)]


def test_only_replies_that_need_a_model_are_shown_to_it():
    client = FakeClient()
    task = task_without_items("mathvista")
    answers = rows("3", "", "First 2, then 3", "no idea")
    done = list(with_extractions(task, answers, ModelExtractor(client)))
    assert len(client.asked) == 2
    assert [row.get("extraction") for row in done] == [None, None, "3", None]
    score = score_answers(task, done)
    assert {one.rule: one.value for one in score.scores}["mathvista"] == 50
    assert score.unparsed["mathvista"] == 2  # nothing was said, and nothing could be read
    assert done[2]["extractor"] == "reader, extraction/1"


def test_an_extraction_that_is_there_is_kept():
    client = FakeClient()
    answers = [{**row, "extraction": "3"} for row in rows("First 3, then 2")]
    assert next(iter(with_extractions(task_without_items("mathvista"), answers, ModelExtractor(client)))) == answers[0]
    assert client.asked == []


def test_other_tasks_extract_nothing(tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    path.write_text('{"task": "ai2d", "question_id": 1, "question": "?", "gold": "A", "answer": "A"}\n')
    assert main(["score", "ai2d", "--predictions", str(path), "--extract-with", "reader"]) == 2
    assert "mathvista" in capsys.readouterr().err


def test_an_unknown_type_is_an_error():
    with pytest.raises(UserError, match="of which type"):
        list(with_extractions(task_without_items("mathvista"), [{**rows("x 1")[0], "question": "?"}], None))
