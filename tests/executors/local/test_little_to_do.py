"""A start with little to do does little: it imports nothing large, and trains only what other code would decide."""

import shutil
from pathlib import Path

import pytest
from law_fakes import Run
from moments import hooked
from run_fakes import REPOSITORY, finished, start

LARGE = ("torch", "transformers", "lightning", "datasets")


@pytest.mark.parametrize(("words", "said"), [((), "nothing to do"), (("--status",), "jobs done")])
def test_a_start_with_nothing_to_do_and_a_look_at_it_import_nothing_large(
    tmp_path: Path, whole: Run, words: tuple[str, ...], said: str
) -> None:
    process = start(whole.recipe, *words, **hooked(tmp_path / "start", forbidden=LARGE))
    status, output = finished(process)
    assert status == 0, output
    assert said in output


def test_other_code_of_the_loss_trains_anew_and_says_why_and_a_comment_changes_nothing(
    tmp_path: Path, whole: Run
) -> None:
    code, runs = tmp_path / "code", tmp_path / "runs"
    for package in ("data_builders", "evaluation", "fgtrain", "recipes"):
        shutil.copytree(REPOSITORY / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(whole.place / "runs", runs, symlinks=True)
    file = code / "fgtrain" / "training" / "module.py"
    plain = file.read_text()

    def output(name: str) -> str:
        process = start(whole.recipe, f"runs_root={runs}", code=code, **hooked(tmp_path / name, code=code))
        status, printed = finished(process)
        assert status == 0, printed
        return printed

    file.write_text(plain + "\n# a comment\n")
    assert "nothing to do" in output("comment")
    changed = plain.replace("        return loss\n", "        return loss * 0.5\n")
    assert changed != plain
    file.write_text(changed)
    assert "fgtrain/training/module.py changed since" in output("changed")
    assert len(list(runs.glob(".stages/*/checkpoint"))) == 2
