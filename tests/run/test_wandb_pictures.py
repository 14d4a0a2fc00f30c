"""What W&B and the page show a person of a run: pictures that it forgot, tasks in the table of runs, its address."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import wandb
from PIL import Image
from wandb_files import curve, offline_files, tables
from wandb_server import wandb_server

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from report_fakes import jsonl, make_run

from data_builders.shared.files import write_json
from evaluation.compare import Comparison, compare_runs
from evaluation.ledger import load_run
from evaluation.report.examples import THUMBNAIL
from evaluation.report.forgotten_pictures import MOST, TEXT, _short, forgotten_pictures
from evaluation.report.page import render
from fgtrain.runs.curves import PICTURES
from fgtrain.runs.task_summary import task_summary
from fgtrain.runs.tracking import Tracker
from fgtrain.runs.wandb_run import Sent, forget_runs
from fgtrain.runs.wandb_table import COLUMNS, contents, pictures_table


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare_runs([load_run(make_run(tmp_path_factory.mktemp("runs"), "then_fg", rows=20))])


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
        assert one.picture.startswith(b"\xff\xd8"), "a JPEG"
        history = right(result.run.folder, "fg", one.task)
        assert (False, one.now) in history.values()
    again = list(forgotten_pictures(result))[-1][1]
    assert again == items, "drawn by address"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A W&B run as `open_run` opens it without network."""
    forget_runs()
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run = wandb.init(
        project="p", mode="offline", dir=str(tmp_path), settings=wandb.Settings(silent=True, console="off")
    )
    yield run
    run.finish()
    forget_runs()


def tracker_of(run: Any, sent: Sent) -> Tracker:
    tracker = Tracker.__new__(Tracker)
    tracker.run, tracker.sent, tracker.failed = run, sent, None
    return tracker


def test_each_checkpoint_has_a_table_of_pictures_once_beside_its_run(
    found: Comparison, offline: Any, tmp_path: Path
) -> None:
    (result,) = found.runs
    for _ in range(2):
        tracker_of(offline, Sent(tmp_path / "sent")).pictures(result)
    offline.finish()
    (file,) = offline_files(tmp_path)
    checkpoints = {f"{PICTURES}/{one.name}": (one, items) for one, items in forgotten_pictures(result) if items}
    kept = tables(file)
    assert list(kept) == list(checkpoints), "each once"
    for name, (columns, rows) in kept.items():
        checkpoint, items = checkpoints[name]
        assert tuple(columns) == COLUMNS
        said = [[one.question, one.gold, one.before, one.at, one.now, one.task] for one in items]
        assert [row[1:] for row in rows] == said
        for picture, *_ in rows:
            assert picture.is_relative_to(file.parent), "it goes where the run goes"
            assert max(Image.open(picture).size) <= THUMBNAIL
        assert curve(file, f"{PICTURES}/samples_seen", "_step")
        assert checkpoint.samples_seen in [value for _, value in curve(file, f"{PICTURES}/samples_seen", "_step")]
    assert not list((tmp_path / "home").rglob("artifacts")), "none lie in the user's home"


def test_what_a_table_holds_is_bounded(found: Comparison) -> None:
    _, items = list(forgotten_pictures(found.runs[0]))[-1]
    assert len(items) == MOST
    assert _short("x" * 10**6) == "x" * (TEXT - 1) + "…"
    assert _short("") == "(nothing)"
    table = pictures_table([replace(items[0], picture=None)])
    assert table.data == [[None, *contents(items[:1])[0][1:]]]


@pytest.mark.parametrize("takes", [True, False])
def test_a_server_gets_the_tables_and_one_that_refuses_them_all_else(
    found: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, takes: bool
) -> None:
    forget_runs()
    (result,) = found.runs
    with wandb_server() as server:
        server.takes_artifacts = takes
        for name, value in {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": 40 * "a", "WANDB_MODE": "online"}.items():
            monkeypatch.setenv(name, value)
        settings = wandb.Settings(silent=True, console="off", disable_git=True)
        run = wandb.init(project="p", entity="lab", id="r", mode="shared", dir=str(tmp_path), settings=settings)
        tracker = tracker_of(run, Sent(None))
        tracker.pictures(result)
        run.log({"after": 1})
        assert tracker.finish()
        forget_runs()
    figures = server.figures("r")
    assert {"after": 1} in figures
    wanted = [f"{PICTURES}/{one.name}" for one, items in forgotten_pictures(result) if items]
    assert [name for row in figures for name in row if name.startswith(f"{PICTURES}/") and "seen" not in name] == (
        wanted if takes else []
    )
    kept = [json.loads(server.files[f"{name}.table.json"]) for name in wanted if takes]
    assert all(cell[0]["path"] in server.files for table in kept for cell in table["data"])
    assert ("the forgotten pictures are in the report alone" in capsys.readouterr().err) is not takes


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
