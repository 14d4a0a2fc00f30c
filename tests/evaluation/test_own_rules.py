"""Rules of a user's own: the page on rules as it stands."""

import sys
from pathlib import Path

import pytest
from evaluation_fakes import FakeAnswerer, FakesInstalled
from extending_pages import commands, installed, write_example
from PIL import Image

from data_builders.shared.code_imports import source_file
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation import __main__ as command
from evaluation.asking.answerers import find
from evaluation.ledger.answers import read_answers
from evaluation.scoring.own_rules import matching_rules
from evaluation.tasks import task_files
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import questions_hash

SAID = {"a.jpg": "Quercus pedunculata.", "b.jpg": "Acer rubrum", "c.jpg": "a fern"}
ANSWERS = "out/answers/start/trees__names.jsonl"


@pytest.fixture
def points(tmp_path, monkeypatch):
    """The page's files in the folder that we are in, its package's entry points, and a model to ask."""
    found = write_example("rules", tmp_path)
    for number, name in enumerate(SAID):
        Image.new("RGB", (8, 8), (90 * number, 9, 9)).save(tmp_path / "data/trees/names" / name)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/fake").touch()
    monkeypatch.setattr(task_files, "_own_folders", [])
    monkeypatch.chdir(tmp_path)
    replies = FakesInstalled(lambda: FakeAnswerer(lambda image, _: SAID[Path(image).name]))
    monkeypatch.setattr(find, "ANSWERERS", replies)
    return found


def test_the_page_on_rules_runs_as_written(points, tmp_path, capsys):
    run, score = (words[3:] for words in commands("rules"))
    assert command.main(run) == 2
    assert "rules names genus_half, which is none" in (said := capsys.readouterr().err)
    assert "entry points evaluation.rules" in said
    hashes, values = [], []
    with installed(tmp_path, points):
        code = Path("binomial.py").read_text()
        for text in (code, f"# a comment\n{code}", code.replace("0.5 *", "0.25 *")):
            Path("binomial.py").write_text(text)
            source_file.cache_clear()
            task_files._own_folders.clear()  # each is a process of its own
            sys.modules.pop("binomial", None)
            for words in (run, score):
                assert command.main(words) == 0
            hashes.append(questions_hash(load_tasks(["trees"], [Path("data")])[0]))
            (checkpoint,) = read_json(Path("out/scores.json"))["checkpoints"]
            values.append(checkpoint["tasks"]["trees/names"]["scores"][0]["value"])
        assert read_json(Path("score.json"))["primary"] == "genus_half"
        # single answers are judged again without the question file, so the row tells what the rule needs
        assert read_answers(Path(ANSWERS), "trees/names", "genus_half", "", {}).scores[0] == 1
    assert hashes[0] == hashes[1] != hashes[2]
    assert values == pytest.approx([50, 50, 125 / 3])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "rule odd, answer 'a fern', gold 'moss': ZeroDivisionError: division by zero"),
        ("return 1.0", r"it gave a float; expected is a Verdict\(score, parsed\)"),
        ("return Verdict(float('nan'), 'x')", "it gave the score nan; expected is a number from 0 to 1"),
        ("return Verdict(1.5, 'x')", "the score 1.5; expected"),
        ("return Verdict('1', 'x')", "the score '1'; expected"),
        ("return Verdict(1.0, 7)", "parsed is 7; expected is what it read as a text, or None"),
    ],
)
def test_what_a_rule_does_wrong_is_said_with_the_answer(body, message, tmp_path):
    lines = ["from evaluation.scoring.rules.base import Verdict", "def odd(answer, gold, options, details):"]
    (tmp_path / "odd.py").write_text("\n".join([*lines, f"    {body}"]) + "\n")
    with installed(tmp_path, {"evaluation.rules": {"odd": "odd:odd"}}):
        rule = matching_rules(["odd", "exact", "names"])
        assert list(rule) == ["odd", "exact"]
        with pytest.raises(UserError, match=message):
            rule["odd"]("a fern", "moss", (), {})
