"""FG-BMK's figures of the human-oriented track in the report: levels (2, 11), bias with chance (3), wordings (7, 8)."""

import re

import pytest
from report_rich import make_rich_run, row

from data_builders.shared.files import read_json, write_json, write_jsonl
from data_builders.shared.seeding import draw
from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.report.bias import bias_figures
from evaluation.report.levels import in_order, level_figures
from evaluation.report.page import render
from evaluation.report.wordings import wording_table
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items

LEVELS = {"class": 0.95, "genus": 0.7, "species": 0.4}
WORDINGS = "fgbmk_wordings/cub/species/choice"


def choice_rows(task: str, share: float, count: int = 80) -> list[dict]:
    rows = []
    for number in range(1, count + 1):
        right = draw(task, number).random() < share
        more = {"question": "Which is it?", "options": ["jay", "wren", "crow", "tanager"], "category": "generic"}
        rows.append(row(task, number, gold="jay", answer="jay" if right else "wren", **more))
    return rows


def wording_rows(share: float) -> list[dict]:
    same = choice_rows(WORDINGS, share, 50)
    return [
        {**one, "question_id": f"{one['question_id']}/{which}", **({"answer": "crow"} if which == 4 and n % 3 else {})}
        for n, one in enumerate(same)
        for which in range(1, 5)
    ]


def with_levels_and_wordings(folder) -> None:
    scores = read_json(folder / "scores.json")
    for place, checkpoint in enumerate(scores["checkpoints"]):
        for task, rows in [
            *(
                (f"fgbmk/cub/{level}/choice", choice_rows(level, share * (0.4 + 0.2 * place)))
                for level, share in LEVELS.items()
            ),
            (WORDINGS, wording_rows(0.3 + 0.2 * place)),
        ]:
            write_jsonl(folder / "answers" / checkpoint["name"] / f"{task.replace('/', '__')}.jsonl", rows)
            checkpoint["tasks"][task] = score_answers(task_without_items(task), rows).to_json()
    write_json(folder / "scores.json", scores)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = make_rich_run(tmp_path_factory.mktemp("runs"), "run", mixed=True)
    with_levels_and_wordings(folder)
    return compare_runs([load_run(folder)])


def test_levels_stand_from_coarse_to_fine_with_the_level_of_guessing(found):
    (figures,) = level_figures(found)
    wide = figures["wide"]
    assert wide.title.startswith("cub, choice")
    assert [name for _, name in wide.x_ticks] == ["class", "genus", "species"]
    run = found.runs[0].run
    want = {f"{n}, {level}" for n in ("run, start", "run, sft") for level in LEVELS}
    assert {re.match(r"[^:]+", point["text"])[0] for point in wide.points} == want
    last = [point for point in wide.points if point["class"] == "large"]
    for point, level in zip(sorted(last, key=lambda one: one["x"]), LEVELS, strict=True):
        value = run.last.tasks[f"fgbmk/cub/{level}/choice"]["scores"][0]["value"]
        assert point["y"] == pytest.approx(wide.bottom - value / 100 * (wide.bottom - wide.top))
        assert point["bars"]
    assert [line["text"] for line in wide.lines if line["kind"] == "chance"] == ["chance: 25.0, 25.0, 25.0"]


def test_the_order_of_levels_does_not_hang_on_that_of_the_tasks():
    assert list(in_order(dict.fromkeys(["species", "made_up", "class", "family", "kingdom"]))) == [
        "kingdom", "class", "family", "species", "made_up",
    ]  # fmt: skip


def test_bias_over_categories_shows_the_level_of_guessing(found):
    (bias,) = bias_figures(found)
    assert [line["text"] for line in bias["sizes"]["wide"].lines] == ["chance: 50.0"]


def test_wordings_stand_side_by_side(found):
    table = wording_table(found)
    assert table["wordings"] == ["1", "2", "3", "4"]
    (task,) = table["tasks"]
    assert [one["checkpoint"].name for one in task["rows"]] == ["start", "sft"]
    for one in task["rows"]:
        values = [cell["value"] for cell in one["cells"]]
        assert values[0] == values[1] == values[2] > values[3]
        assert one["metrics"][0]["value"] == pytest.approx(values[0] - values[3])
        assert None not in one["metrics"]
    page = render(found)
    assert "The same questions in 4 wordings" in page
    assert "From coarse to fine" in page
    assert "by wording" not in page  # not a second time among the parts of tasks
