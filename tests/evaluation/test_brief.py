"""What a start ends with: a run's scores, a study's answer, on 80 columns with every number whole."""

import re
from dataclasses import replace

import pytest
from report_fakes import make_run
from study_run_fakes import make_arms

from data_builders.shared.wrapping import wrapped
from evaluation.compare import compare_runs
from evaluation.compare.brief import TASKS, WIDTH, brief_lines
from evaluation.ledger import load_run
from evaluation.study import StudyRuns, study_answer
from evaluation.study.brief import ARMS
from evaluation.study.brief import brief_lines as study_lines
from evaluation.study.costs import ArmCost
from evaluation.study.words import label

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MANY = {f"fgbmk/a_data_set_{n}/species/short_answer": ("fine_grained", 0.9, 0.9, 0.9, 0.9 - n / 16) for n in range(12)}


def at_80(lines: list[str]) -> list[str]:
    """As a terminal shows them. A table's lines need no breaking: there numbers would lose their columns."""
    shown = [part for line in lines for part in wrapped(line, WIDTH, hang=2).split("\n")]
    assert [line for line in shown if len(line) > WIDTH] == []
    assert NUMBER.findall("\n".join(shown)) == NUMBER.findall("\n".join(lines))
    return shown


@pytest.mark.parametrize(("mixed", "tasks"), [(True, None), (False, None), (False, MANY)], ids=["few", "best", "many"])
def test_a_run_ends_with_every_task_before_and_now_and_what_was_gained_and_forgotten(tmp_path, mixed, tasks) -> None:
    found = compare_runs([load_run(make_run(tmp_path, "a_run", mixed=mixed, rows=12 if tasks else 24, tasks=tasks))])
    (result,) = found.runs
    lines = at_80(brief_lines(found))
    text = "\n".join(lines)
    rows = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert len(rows) <= TASKS + 4
    for name, one in result.tasks.items():
        if (line := next((line for line in lines if line.strip().startswith(name)), None)) is not None:
            change = one.from_base[-1]
            assert f"{change.before:.1f}" in line
            assert f"{change.after:.1f}" in line
            assert f"({change.low:+.1f} to {change.high:+.1f})" in line
    sums = {"forgotten": result.forgetting[-1], "gained": result.gain[-1]}
    for word, one in sums.items():
        said = next((line for line in lines if line.startswith(word)), "not measured")
        assert (f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})" if one else "not measured") in said
    if tasks is MANY:
        assert f"and {len(MANY) - TASKS // 2} more, which changed less" in text
        assert "a_set_11/species/short_answer" in text, "it lost most"


@pytest.mark.parametrize("arms", [2, 36])
def test_a_study_ends_with_its_question_and_each_arms_means_on_one_screen(tmp_path, arms: int) -> None:
    few = make_arms(tmp_path, {"early": (1.4, 0.0), "late": (1.2, -0.1)}, images=12)
    answer = study_answer(StudyRuns("placement", "Where\nand when?\n\nMore.", few, contrasts=(("early", "late"),)))
    copies = [replace(one, arm=f"{one.arm}_with_a_longer_name_{n}") for n in range(18) for one in answer.arms]
    contrasts = [one for _ in range(arms // 2) for one in answer.contrasts]
    answer = replace(answer, contrasts=contrasts) if arms == 2 else replace(answer, arms=copies, contrasts=contrasts)
    cost = ArmCost(90.0, {}, "CPU", None, 1)
    answer = replace(answer, arms=[replace(one, cost=cost if n else None) for n, one in enumerate(answer.arms)])
    lines = at_80(study_lines(answer))
    assert lines[0] == "placement: Where and when?"
    assert len(lines) <= 60
    best, facts = answer.ranked()[0], answer.measures[0]
    mean = best.means[facts.name]
    row = next(line for line in lines if line.startswith(best.arm[:20]) and "%" not in line and " - " not in line)
    assert f"{mean.value:.1f}" in row
    assert f"({mean.low:.1f} to {mean.high:.1f})" in row
    assert (f"and {arms - ARMS} more arms" in "\n".join(lines)) == (arms > ARMS)
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("arm ")) :]
    assert [head.split()[-1] for head in table[:2]] == ["CPU", "minutes"]
    rows = [line for line in table[2:] if line.endswith((" 1.5", " unknown"))]
    assert len(rows) == min(arms, ARMS), "every arm with what it cost, known or not"
    for facts in answer.measures:
        assert label(facts.name) in "\n".join(table) or label(facts.name).split()[0] in table[0], "here, or in the page"
