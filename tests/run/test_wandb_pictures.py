"""What W&B and the page show a person of a run: pictures that it forgot, tasks in the table of runs, its address."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from report_fakes import jsonl, make_run

from data_builders.shared.files import write_json
from evaluation.compare import Comparison, compare_runs
from evaluation.ledger import load_run
from evaluation.report.forgotten_pictures import MOST, forgotten_pictures, pictures_html
from evaluation.report.page import render
from fgtrain.runs.task_summary import task_summary
from fgtrain.runs.tracking import Tracker
from fgtrain.runs.wandb_run import Sent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare_runs([load_run(make_run(tmp_path_factory.mktemp("runs"), "then_fg", rows=20))])


class Shown:
    """As much of a W&B run as pictures need."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def log(self, figures: dict) -> None:
        self.rows.append(figures)


def right(folder: Path, checkpoint: str, task: str) -> dict[int, tuple[bool, str]]:
    rows = jsonl(folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl")
    return {row["question_id"]: (row["answer"] == row["gold"], row["answer"]) for row in rows}


def test_pictures_are_of_what_was_right_before_and_is_wrong_now_and_some_of_every_task(found: Comparison) -> None:
    (result,) = found.runs
    last, items = list(forgotten_pictures(result))[-1]
    assert last.name == "fg"
    assert len(items) == MOST
    assert len({one.task for one in items}) > 2
    for one in items:
        assert one.at in ("start", "align", "sft")
        assert one.before == one.gold != one.now
        assert one.picture.startswith("data:image/jpeg;base64,")
        history = right(result.run.folder, "fg", one.task)
        assert (False, one.now) in history.values()
    again = list(forgotten_pictures(result))[-1][1]
    assert again == items, "drawn by address"


def test_a_page_of_pictures_shows_text_as_text_and_loads_nothing(found: Comparison) -> None:
    _, items = list(forgotten_pictures(found.runs[0]))[-1]
    html = pictures_html([items[0].__class__(**{**vars(items[0]), "question": "<script>x</script>"})], "fg")
    assert "<script" not in html
    assert "http" not in html
    assert html.count("<tr>") == 2


def test_each_checkpoints_pictures_are_sent_once_with_where_they_stand(found: Comparison, tmp_path: Path) -> None:
    (result,), shown = found.runs, Shown()
    for _ in range(2):
        tracker = Tracker.__new__(Tracker)
        tracker.run, tracker.sent, tracker.failed = shown, Sent(tmp_path / "sent"), None
        tracker.pictures(result)
        assert tracker.failed is None
        tracker.sent.delivered()
    names = [name for row in shown.rows for name in row if not name.endswith("samples_seen")]
    forgot = [f"forgotten_pictures/{one.name}" for one, items in forgotten_pictures(result) if items]
    assert names == forgot
    assert shown.rows[-1]["forgotten_pictures/samples_seen"] == result.run.last.samples_seen


def test_the_table_of_runs_has_each_tasks_score_and_change_and_what_was_gained_and_forgotten(found: Comparison) -> None:
    (result,) = found.runs
    summary = task_summary(result)
    for task, one in result.tasks.items():
        change = one.from_base[-1]
        assert summary[f"task/{task}/score"] == change.after
        assert summary[f"task/{task}/change"] == pytest.approx(change.after - change.before)
        assert summary[f"task/{task}/change/low"] <= summary[f"task/{task}/change"]
    assert summary["gained"] == result.gain[-1].value
    assert summary["forgotten/high"] == result.forgetting[-1].high
    assert not json.dumps(summary).count("NaN")


@pytest.mark.parametrize(("url", "shown"), [("https://w.example/p/runs/1", True), ("javascript:alert(1)", False)])
def test_a_report_links_the_run_where_w_and_b_shows_it(found: Comparison, url: str, shown: bool) -> None:
    write_json(found.runs[0].run.folder / "wandb" / "outcome.json", {"mode": "online", "url": url})
    assert (f'href="{url}"' in render(found)) == shown
