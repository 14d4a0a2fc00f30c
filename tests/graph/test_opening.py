"""What a start says first: ten lines of what, on what, how long and where, at 80 columns, for one run and for many."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from run_fakes import recipe_values, study_of, write_recipe

from data_builders.shared.wrapping import wrapped
from fgtrain.graph import ending
from fgtrain.graph.begin import begin
from fgtrain.graph.opening import LABEL, opening
from fgtrain.plan import print_plan
from fgtrain.plan.prepared_lines import PLAN_TEXT, prepared_lines, write_plan_text
from fgtrain.recipe import load_recipe

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
LABELS = ("on", "takes", "in", "to do")


@pytest.mark.parametrize("runs", [1, 2, 15])
def test_a_start_begins_with_ten_lines_whose_numbers_are_whole_at_80_columns(tmp_path: Path, runs: int) -> None:
    values = recipe_values(tmp_path, name="one")
    path = write_recipe(tmp_path, values)
    study = study_of(*(load_recipe(path, [f"name=one_{n}_{'x' * 12}"]) for n in range(runs)))
    begun = begin(study, write=False)
    title, lines = opening(study, begun.plans, begun.graph, begun.left)
    assert len(lines) <= 10
    said = dict(lines)
    assert said.keys() >= {*LABELS, *(("model", "align", "sft") if runs == 1 else ("arms", "stages"))}
    texts = [title, *(f"  {label:<{LABEL}}{text}" for label, text in lines)]
    for width in range(40, 81):
        shown = [line for text in texts for line in wrapped(text, width, hang=LABEL + 2).split("\n")]
        assert NUMBER.findall("\n".join(shown)) == NUMBER.findall("\n".join(texts)), width
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in shown)
    assert len(shown) <= 20
    assert said["to do"].startswith(f"{len(begun.left):,} jobs: ")
    assert PLAN_TEXT in said["in"]


def test_what_holds_for_all_runs_is_said_once_and_not_what_the_scores_say_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = write_recipe(tmp_path, recipe_values(tmp_path, name="one"))
    study = study_of(*(load_recipe(path, [f"name=run_{n}"]) for n in range(6)))
    said = {f"run_{n}": ("gain: why", "own: only run_2" if n == 2 else "gain: why") for n in range(6)}
    monkeypatch.setattr(
        ending, "unmeasured_lines", lambda recipe: [f"{recipe.name}: {one}" for one in said[recipe.name]]
    )
    ending.tell_results(study, 3, 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nothing to do: all 3 jobs are done"
    assert [line for line in lines if "gain" in line] == ["6 runs: gain: why"]
    assert "run_2: own: only run_2" in lines


def test_the_whole_plan_is_a_file_without_escapes_and_what_is_counted_is_said_in_a_few_lines(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, recipe_values(tmp_path)))
    plan = begin(study_of(recipe), write=False).plans[recipe.name]
    text = write_plan_text(tmp_path, lambda console: print_plan(plan, console)).read_text()
    assert "\x1b" not in text
    for stage in plan.stages:
        assert stage.fingerprint in text
    assert "Exposures" in text
    noted = plan.model_copy(update={"notes": tuple(f"note {n}" for n in range(9))})
    lines = list(prepared_lines(noted))
    assert len(lines) <= 8
    assert any("9" in line or "6 more notes" in line for line in lines)
