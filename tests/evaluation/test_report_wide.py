"""Laws of the report's table where there are many checkpoints."""

import json
import re
import shutil
from itertools import pairwise

import pytest
from report_fakes import make_run

from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.report import write_report
from evaluation.report.curves import curves
from evaluation.report.labels import LINE
from evaluation.report.page import TEMPLATES
from evaluation.report.text import short_interval


@pytest.fixture
def run(tmp_path):
    """A run of seven checkpoints and more, as often as asked; at the eighth a question of one task was not asked."""

    def make(count):
        folder = make_run(tmp_path, f"run_{count}")
        shutil.rmtree(folder / "answers")
        scores = json.loads((folder / "scores.json").read_text())
        first, *others = scores["checkpoints"]
        scores["checkpoints"] = [first]
        for number in range(1, count):
            checkpoint = json.loads(json.dumps(others[number * len(others) // count]))
            scores["checkpoints"].append(checkpoint | {"name": f"step_{number}", "samples_seen": 100 * number})
        if count > 7:
            scores["checkpoints"][7]["tasks"]["drawn/count"]["scores"][0]["n"] = 59
        (folder / "scores.json").write_text(json.dumps(scores))
        return folder

    return make


def test_lines_are_named_at_their_ends_and_no_name_lies_on_another(tmp_path):
    """Of several runs each strong line has its run's name, of one each line what it is; on every width."""
    folders = [make_run(tmp_path, f"placement-with_a_long_name_{number}") for number in range(7)]
    for folder in folders:
        shutil.rmtree(folder / "answers")
    several = [load_run(folder) for folder in folders]
    for runs in (several, several[:2], several[:1]):
        panels = curves(compare_runs(runs))
        assert {"fine_grained", "general"} <= set(panels)
        for name, size in ((name, size) for name in panels for size in ("wide", "narrow")):
            figure = panels[name][size]
            heights = sorted(one["y"] for one in figure.names)
            assert all(b - a >= LINE - 1e-9 for a, b in pairwise(heights))
            assert all(figure.top <= y <= figure.bottom + 4 for y in heights)
            assert all(one["x"] + len(one["text"]) * 6.7 <= figure.width for one in figure.names)
            own = {one["run"] for one in figure.names}
            if name != "loss":
                assert own == (set(range(len(runs))) if len(runs) > 1 else {0, None})
    over = (TEMPLATES / "runs.html").read_text().split("Over the run")[1].split("</section>")[0]
    assert "legend" not in over


def table_of(folder, tmp_path):
    write_report([folder], tmp_path / "report.html")
    return re.search(r'<table class="scores.*?</table>', (tmp_path / "report.html").read_text("utf-8"), re.DOTALL)[0]


def test_twenty_checkpoints_are_one_narrow_table_with_every_interval_and_n(run, tmp_path):
    table = table_of(run(20), tmp_path)
    assert table.startswith('<table class="scores many">')
    rows = re.findall(r'<tr class="(?:main|other|mean)"[^>]*>.*?</tr>', table, re.DOTALL)
    assert len(rows) > 10
    for row in rows:
        head, *cells = row.split("<td")
        assert len(cells) == 20
        said = re.search(r'class="n">n [\d,]+<', head)
        for cell in cells:
            assert re.search(r"<small>[\d.,]+–[\d.,]+( · n [\d,]+)?</small>", cell), cell
            assert bool(said) != (" · n " in cell)  # in the row's head, or where it differs in every cell
    counting = next(row for row in rows if "drawn/count" in row)
    assert (counting.count("· n 60<"), counting.count("· n 59<")) == (19, 1)


def test_seven_checkpoints_have_room_for_all(run, tmp_path):
    table = table_of(run(7), tmp_path)
    assert table.startswith('<table class="scores">')
    assert 'class="n"' not in table


def test_an_interval_is_short_and_never_shorter_than_it_says():
    def short(low, high, digits=1):
        return short_interval({"low": low, "high": high}, digits)

    assert [short(66.1, 78.2), short(73.14, 73.96), short(99.7, 100.0), short(0, 0.3)] == [
        "66–78",
        "73.1–74",
        "99.7–100",
        "0–0.3",
    ]
    assert short(3.456, 13.456, 2) == "3.46–13.46"  # perplexity keeps its digits
    assert short(None, None) == "–––"
