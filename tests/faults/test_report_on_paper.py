"""A printed report holds every column: nothing is left behind an edge that only a screen can scroll."""

import re

from run_folders import COUNT, make_run

from evaluation.compare import compare_runs
from evaluation.report.page import render


def test_no_column_is_lost_on_paper(tmp_path):
    page = render(compare_runs([make_run(tmp_path / "run", {COUNT: ([True, False] * 5, [True] * 10)})]))
    printed = "".join(re.findall(r"@media print \{(.*?)\n\}", page, re.S))
    rules = {name.strip(): body for name, body in re.findall(r"([^{}]+)\{([^{}]*)\}", printed)}
    assert "overflow: visible" in rules[".scroll, .tall"]
    assert "max-height: none" in rules[".scroll, .tall"]
    wide = rules[".scores, .plain"]
    assert all(one in wide for one in ("width: 100%", "min-width: 0", "table-layout: fixed"))
    cells = next(body for name, body in rules.items() if name.startswith(".scores :is(td, th)"))
    assert "white-space: normal" in cells
    assert "min-width: 0" in cells
    assert "landscape" in page
