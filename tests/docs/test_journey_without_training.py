"""An evaluator who never trains: 2,310 questions and more to a model behind an address, and the page of its answers."""

import json
import re
import time
from pathlib import Path

import pytest
from documented import typed

QUESTIONS = 2310
MADE = (
    "python -m data_builders drawn --source cub --out data/CUB_200_2011 --train-images-per-species=1 "
    "--test-images-per-species=11",
    "python -m data_builders fgbmk --source cub --root data/CUB_200_2011 --out data",
)
ASKED = "python -m evaluation run --model endpoint:gpt-4o --tasks fgbmk --data data --out scored"
SHOWN = "python -m evaluation compare scored --out page.html"


@pytest.mark.slow
def test_an_endpoint_is_asked_2310_questions_and_its_report_is_one_page(here: Path, endpoint: str, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
    monkeypatch.setenv("OPENAI_API_KEY", "anything")
    took = {}
    for command in (*MADE, ASKED, SHOWN):
        began = time.monotonic()
        assert typed(command, here) == 0, command
        took[command.split(" --")[0]] = round(time.monotonic() - began)
    tasks = json.loads((here / "scored/scores.json").read_text(encoding="utf-8"))["checkpoints"][-1]["tasks"]
    rows = [row for file in (here / "scored").rglob("*.jsonl") for row in file.read_text(encoding="utf-8").splitlines()]
    answers = [one for one in map(json.loads, rows) if "answer" in one and "question_id" in one]
    asked = {(one["task"], one["question_id"]) for one in answers}
    assert len(answers) == len(asked) == sum(one["n"] for one in tasks.values()) >= QUESTIONS
    page = (here / "page.html").read_text(encoding="utf-8")
    assert all(name in page for name in tasks)
    assert not re.search(r"https?://(?!www.w3.org)[^\"]*\.(js|css|png)", page)
    with capsys.disabled():
        print(f"\n{len(answers):,} questions, seconds: {took}")
