"""A skill that nobody asked about, or that was not there, is told as such in plan, log, W&B and report: never as 0."""

import pytest
from run_folders import CHOICE, COUNT, DOCUMENT, PEOPLE, PRESENCE, make_run
from table import rows

from data_builders.shared.errors import UserError
from evaluation.commands.run import in_groups
from evaluation.compare import compare_runs
from evaluation.compare.files import to_json
from evaluation.compare.tables import print_comparison
from evaluation.report.page import render
from evaluation.study import StudyRuns, answer_words, study_answer
from evaluation.tasks.task_files import group_of, task_without_items
from fgtrain.plan.evaluation import Asked
from fgtrain.plan.unmeasured import unmeasured as said_in_plan
from fgtrain.recipe import load_recipe
from fgtrain.runs.curves import ONE_CHECKPOINT, curves, unmeasured
from fgtrain.runs.forgetting import NO_FINE_GRAINED, with_forgetting
from fgtrain.runs.groups import evaluation_in_groups, refuse_idle_groups
from fgtrain.runs.unmeasured import unmeasured_lines

NEVER, HALF, ALL = [False] * 20, [True, False] * 10, [True] * 20
SOME = [True] * 12 + [False] * 8
GUESSED = [True] * 11 + [False] * 9  # of yes and no


@rows(
    ("no general task", {CHOICE: (HALF, ALL)}, "not measured: no general task was asked"),
    ("no task at all", {}, "not measured: no general task was asked"),
    ("a general task at 0", {CHOICE: (HALF, ALL), COUNT: (NEVER, NEVER)}, "Drawn counting at 0"),
    ("a general task at chance", {CHOICE: (HALF, ALL), PRESENCE: (GUESSED, HALF)}, "rule) at chance"),
)
def test_a_report_says_what_was_not_there_to_forget(tmp_path, capsys, how, out):
    found = compare_runs([make_run(tmp_path / "run", how)])
    page = render(found)
    assert out in page
    assert "points forgotten" not in page
    assert "forgot <b>" not in page
    assert out in to_json(found)["runs"][0]["unmeasured"]["forgetting"]
    assert set(to_json(found)["runs"][0]["overall"]["forgetting"].values()) == {None}
    print_comparison(found)
    assert out.split()[-1] in capsys.readouterr().out


def test_a_run_without_fine_grained_tasks_says_so(tmp_path):
    page = render(compare_runs([make_run(tmp_path / "run", {COUNT: (ALL, HALF)})]))
    assert "not measured: no fine-grained task was asked" in page
    assert "points gained" not in page


def test_what_was_never_there_is_left_out_of_the_mean(tmp_path):
    (result,) = compare_runs([make_run(tmp_path / "run", {COUNT: (ALL, SOME), DOCUMENT: (NEVER, NEVER)})]).runs
    assert result.forgetting[-1].value == pytest.approx(40)
    assert result.forgetting[-1].tasks == 1
    assert result.left_out.endswith("at 0")


def test_what_is_guessed_up_and_down_is_not_counted_as_forgotten(tmp_path):
    found = compare_runs([make_run(tmp_path / "run", {PRESENCE: (GUESSED, GUESSED[::-1])})])
    assert found.most_forgotten == []
    assert "in no sum" in render(found)


@rows(
    ("none of them general", {CHOICE: (HALF, ALL)}, "no general task with a score"),
    (
        "nothing to forget",
        {CHOICE: (HALF, ALL), COUNT: (NEVER, NEVER)},
        "nothing was there to forget in any run",
    ),
)
def test_a_study_says_so_too(tmp_path, how, out):
    for arm in "ab":
        make_run(tmp_path / arm, how)
    arms = {arm: {1: tmp_path / arm} for arm in "ab"}
    answer = study_answer(StudyRuns("s", "", arms, contrasts=(("a", "b"),)))
    assert any(out in sentence for sentence in answer.not_measured)
    assert answer.arm("a").means["forgetting"] is None
    assert any("forgetting cannot be compared: not measured" in one for one in answer_words(answer))


def evaluated(task: str, group: str, value: float, samples: int, chance: float | None = None) -> dict:
    about = {"kind": "eval", "stage": "sft", "step": samples, "samples_seen": samples, "task": task, "group": group}
    ends = {"value": value, "low": max(value - 10, 0), "high": min(value + 10, 100), "unit": "percent"}
    return {**about, **ends, "rule": "exact", "metric": "accuracy", "primary": True, "subset": False, "chance": chance}


@rows(
    ("no general task", [("a", "fine_grained", 20, None)], {"forgetting": "no general task"}),
    (
        "a general task at 0",
        [("a", "general", 0, None)],
        {"forgetting": "nothing there", "fine_grained_gain": "no fine"},
    ),
    ("at chance", [("a", "general", 55, 50), ("b", "fine_grained", 1, None)], {"forgetting": "nothing there"}),
    ("beyond chance", [("a", "general", 70, 50), ("b", "fine_grained", 1, None)], {}),
)
def test_wandb_gets_words_and_no_number(how, out):
    found = list(
        with_forgetting(
            evaluated(task, group, value, at, chance) for at in (0, 8) for task, group, value, chance in how
        )
    )
    said = unmeasured(found)
    assert said.keys() == out.keys()
    assert all(text in said[name] for name, text in out.items())
    assert ("forgetting_full/forgetting" in curves(found)) == ("forgetting" not in out)


def test_one_checkpoint_has_forgotten_nothing_that_wandb_could_show():
    said = unmeasured(list(with_forgetting([evaluated("a", "general", 70, 8)])))
    assert said == {"forgetting": ONE_CHECKPOINT, "fine_grained_gain": NO_FINE_GRAINED}


def test_the_chance_level_stands_beside_the_curve():
    assert curves([evaluated("drawn/presence", "general", 70, 8, 50)])["eval_full/drawn/presence/chance"] == 50


RECIPE = "recipes/mini/general.yaml"


def recipe_with(*changes: str):
    return load_recipe(RECIPE, list(changes))


@rows(
    ("fine-grained tasks alone", ["evaluation.tasks=[fgbmk]"], ["Forgetting is not measured"]),
    ("general tasks alone", ["evaluation.tasks=[pope]"], ["The fine-grained skill is not measured"]),
    ("perplexity, which has no percent", ["evaluation.tasks=[fgbmk,perplexity]"], ["Forgetting is not measured"]),
    ("both", ["evaluation.tasks=[fgbmk,pope]"], []),
    ("one that the recipe calls general", ["evaluation.tasks=[fgbmk]", "evaluation.groups={fgbmk/fungi: general}"], []),
    ("all called general", ["evaluation.tasks=[fgbmk]", "evaluation.groups={fgbmk: general}"], ["The fine-grained"]),
    ("no task", ["evaluation.tasks=[]"], ["Nothing is scored"]),
    ("no checkpoint", ["evaluation.at=[]"], ["No checkpoint is scored"]),
    ("one checkpoint", ["evaluation.at=[sft]"], ["Neither gain nor forgetting"]),
)
def test_a_plan_says_what_will_not_be_measured(how, out):
    said = list(said_in_plan(recipe_with(*how), {}))
    assert [one.startswith(start) for one, start in zip(said, out, strict=True)] == [True] * len(out)


def test_counted_question_files_tell_better_than_names():
    asked = {"fgbmk": Asked(10, 10, groups=("general",))}
    assert [one.split()[0] for one in said_in_plan(recipe_with("evaluation.tasks=[fgbmk]"), asked)] == ["The"]


def test_a_run_that_scores_nothing_has_a_line_in_its_log():
    assert "nothing was scored" in next(unmeasured_lines(recipe_with("evaluation.tasks=[]")))


def test_a_folder_of_ones_own_can_be_the_general_skill(tmp_path):
    recipe = recipe_with("evaluation.tasks=[fgbmk]", "evaluation.groups={fgbmk/fungi: general}")
    kept = {"tasks": {PEOPLE: {"group": "fine_grained"}, CHOICE: {"group": "fine_grained"}}, "subset": []}
    found = evaluation_in_groups(recipe, kept)["tasks"]
    assert {name: one["group"] for name, one in found.items()} == {PEOPLE: "general", CHOICE: "fine_grained"}
    run = make_run(tmp_path / "run", {CHOICE: (HALF, ALL), PEOPLE: (ALL, SOME)}, groups={PEOPLE: "general"})
    assert compare_runs([run]).runs[0].forgetting[-1].value == pytest.approx(40)


def test_the_last_entry_that_fits_tells_the_group():
    groups = {"fgbmk": "general", "fgbmk/cub": "fine_grained"}
    assert group_of(CHOICE, "fine_grained", groups) == "fine_grained"
    assert group_of(PEOPLE, "fine_grained", groups) == "general"


def test_a_group_of_no_task_is_refused():
    recipe = recipe_with("evaluation.groups={fgbmk/fungus: general}")
    with pytest.raises(UserError, match=r"evaluation\.groups names fgbmk/fungus, which is no task of it"):
        refuse_idle_groups(recipe, [PEOPLE, CHOICE])


def test_a_command_line_may_name_general_tasks():
    tasks = [task_without_items(CHOICE), task_without_items(PEOPLE)]
    assert [one.group for one in in_groups(tasks, ["fgbmk/fungi"])] == ["fine_grained", "general"]
    with pytest.raises(UserError, match="--general names pope, which is none of the tasks: fgbmk/cub"):
        in_groups(tasks, ["pope"])
