"""What is shown of running jobs: on a terminal nothing wider than it, nothing that is not known; --quiet; NO_COLOR."""

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from data_builders.shared.progress import STATE_FILE, ProgressState, tell_progress
from fgtrain.executors.local.display import Display
from fgtrain.jobs.spec import LOG, PROGRESS

COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-79]|4[0-79]|38|48)[0-9;]*m")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "a line of a job about /a/path/that/is/long/and/has/no/blank/at/all/in/it and 1,234,567 samples of it"


def terminal(monkeypatch: pytest.MonkeyPatch, watched: bool = True) -> io.StringIO:
    """Standard error as a terminal of 80 columns."""
    found = io.StringIO()
    found.isatty = lambda: watched
    monkeypatch.setattr(sys, "stderr", found)
    for name, value in {"COLUMNS": "80", "TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FGTRAIN_PROGRESS", raising=False)
    return found


def shown(place: Path, monkeypatch: pytest.MonkeyPatch, states: list[ProgressState], **how: bool) -> None:
    """A job that says a line and is as far as the states say, one after the other."""
    job = SimpleNamespace(name=f"{'a_run_of_a_long_name' * 2}/train-sft", folder=place)
    display = Display(**how)
    display.begins(job)
    monkeypatch.setenv(STATE_FILE, str(place / PROGRESS))
    with open(place / LOG, "a") as file:
        file.write(f"{LONG}\n")
    for state in states:
        tell_progress(state, always=True)
        display.refresh()
        if display.bars is not None:
            display.bars.refresh()
    display.say("error: it failed")
    display.ends(job)
    display.close()


@pytest.mark.parametrize("several", [False, True])
def test_bars_fit_80_columns_with_whole_numbers_and_show_nothing_that_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    screen = terminal(monkeypatch)
    states = [
        ProgressState("writing", 10, 5980, "rows"),
        ProgressState("counting", 7, None, "rows"),
        ProgressState("stage sft", 0, 123_456, "steps"),
        ProgressState("stage sft", 120_000, 123_456, "steps", 3.0, "12345 samples/s · loss 12.345"),
    ]
    shown(tmp_path, monkeypatch, states, several=several)
    text = screen.getvalue()
    assert not COLOUR.search(text)
    lines = [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", text)) if line.strip()]
    assert max(map(len, lines)) <= 80
    assert "nan" not in text
    assert not re.search(r"7/5980", text), "the total of what was done before"
    assert "120000/123456 12345 samples/s · loss 12.345" in text
    assert "/a/path/that/is/long/and/has/no/blank/at/all/in/it" in text
    assert "1,234,567" in text


def test_bars_of_several_jobs_leave_each_other_room_and_name_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal(monkeypatch)
    display, long = Display(several=True), f"loading /runs/.stages/{'0a9f' * 4}/checkpoint"
    for run, state in {
        "pair-less-s17": ProgressState("stage sft", 120_000, 123_456, "steps", 3.0, "17 samples/s · loss 2.584"),
        "pair-more-s17": ProgressState(long, 0, 1, "of 1"),
    }.items():
        job = SimpleNamespace(name=f"{run}/train-sft", folder=tmp_path / run)
        job.folder.mkdir()
        display.begins(job)
        monkeypatch.setenv(STATE_FILE, str(job.folder / PROGRESS))
        tell_progress(state, always=True)
    display.refresh()
    display.bars.refresh()
    display.close()
    lines = [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", screen.getvalue())) if line.strip()]
    assert max(map(len, lines)) <= 80
    assert re.search("pair-less-s17: stage sft +━+.* 120000/123456 ", lines[-2]), "the note goes first"
    assert "pair-more-s17: loading checkpoint" in lines[-1]


@pytest.mark.parametrize("watched", [False, True])
def test_quiet_shows_what_goes_wrong_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool, capsys: pytest.CaptureFixture
) -> None:
    screen = terminal(monkeypatch, watched)
    shown(tmp_path, monkeypatch, [ProgressState("stage sft", 1, 2, "steps")], several=True, quiet=True)
    assert screen.getvalue() == "error: it failed\n"
    assert capsys.readouterr().out == ""
