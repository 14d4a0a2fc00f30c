"""The cases that were found in public threads, as they stand in shared/cases: none is read as something else."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("case", "script"), [("mathvista_plain_numbers", "numbers.py"), ("strict_yes_no", "t.py")])
def test_a_case_comes_out_right(shared, tmp_path, case, script):
    text = (shared / "cases" / case / script).read_text(encoding="utf-8")
    # the case knows the rules under the name they had when it was written
    (tmp_path / "case.py").write_text(text.replace("evaluation.rules.", "evaluation.scoring.rules."), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "case.py"], env={"FG": str(Path.cwd())}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
