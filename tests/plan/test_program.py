"""The program is a part of a stage's fingerprint: what decides its weights, and nothing that only asks or shows."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from plan_fakes import BASE, FACTS, PROGRAM, plan_of

from data_builders.shared.code_identity import TOP, CodeIdentity, code_of
from data_builders.shared.code_imports import PACKAGES, source_file
from fgtrain.plan import read_plan, write_plan
from fgtrain.plan.code_changes import why_anew
from fgtrain.plan.versions import ASKING, TRAINING, this_program, training_code

BASE_STAGE = "base: {objective: heads, train: {vision_encoder: 1.0e-3}, mix: {extra: 9}, global_batch_size: 8}"
WITH_HEADS = BASE.replace("stages:\n", f"stages:\n  {BASE_STAGE}\n")


@pytest.fixture
def copy(tmp_path) -> Path:
    for name in PACKAGES:
        shutil.copytree(TOP / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


def edited(copy: Path, file: str, old: str, new: str):
    """The program after an edit, as a process that begins now finds it."""
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has changed: name another line"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    code_of.cache_clear()
    source_file.cache_clear()
    return this_program(copy)


def prints(plan) -> list[str]:
    return [stage.fingerprint for stage in plan.stages]


def test_a_changed_line_of_the_loss_is_another_stage_and_the_file_is_named(tmp_path, copy):
    before = plan_of(tmp_path, program=this_program(copy))
    write_plan(before, tmp_path / "plan.json")
    smoothed = edited(copy, "fgtrain/model/seen.py", 'reduction="none")', 'reduction="none", label_smoothing=0.5)')
    after = plan_of(tmp_path, program=smoothed)
    assert all(old != new for old, new in zip(prints(before), prints(after), strict=True))
    assert why_anew(read_plan(tmp_path / "plan.json").model_dump(mode="json"), after) == [
        f"stage {name}: code of fgtrain/model/seen.py changed since it was trained; trained anew"
        for name in ("align", "sft")
    ]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fgtrain/model/lvlm.py", "# ---- images", "# ---- pictures"),
        ("fgtrain/model/lvlm.py", '"""An LVLM as', '"""A model as'),
        ("fgtrain/training/module.py", "\n\n", "\n\n\n"),
    ],
)
def test_a_comment_a_docstring_and_a_blank_line_change_no_fingerprint(tmp_path, copy, file, old, new):
    before = plan_of(tmp_path, program=this_program(copy))
    after = plan_of(tmp_path, program=edited(copy, file, old, new))
    assert after == before
    assert why_anew(before.model_dump(mode="json"), after) == []


@pytest.mark.parametrize(
    ("file", "old"),
    [
        ("evaluation/scoring/rules/text.py", "return "),
        ("evaluation/scoring/metrics.py", "return "),
        ("fgtrain/model/generation.py", "PREFIX_TOKENS_AT_ONCE = 8192"),
        ("fgtrain/training/answerer.py", '"greedy"'),
        ("fgtrain/plan/tables.py", "return "),
        ("fgtrain/jobs/evaluate.py", "return "),
        ("fgtrain/runs/tracking.py", "return "),
    ],
)
def test_what_only_asks_scores_or_shows_retrains_nothing(tmp_path, copy, file, old):
    before = this_program(copy)
    after = edited(copy, file, old, {"return ": "return 0 or "}.get(old, old + " or 1"))
    assert prints(plan_of(tmp_path, program=after)) == prints(plan_of(tmp_path, program=before))


def test_no_training_code_imports_evaluation_but_that_which_learns_from_scores():
    for objective in TRAINING:
        files = training_code(objective).files
        assert ("evaluation/scoring/rules/names.py" in files) == (objective == "grpo")
        if objective in (
            "grpo",
            "self_distillation",
            "best",
        ):  # the first two draw answers, the best checkpoint of a stage is copied
            continue
        assert "fgtrain/model/lvlm.py" in files
        # Which of several processes this is must be known where things are asked, too; a recipe knows how
        # perturbations are spelt. Neither is the business of scores.
        allowed = {"evaluation/launcher.py", "evaluation/perturbing/spelling.py"}
        assert {path for path in files if path.startswith("evaluation/")} <= allowed, objective


def test_what_asks_counts_with_what_scores_and_judges():
    wanted = ("asking/engine.py", "scoring/score_answers.py", "scoring/metrics.py", "judging/deterministic.py")
    assert {f"evaluation/{path}" for path in wanted} <= code_of(*ASKING).files.keys()


def test_a_stage_is_bound_to_the_code_of_its_own_objective(tmp_path):
    before = plan_of(tmp_path, text=WITH_HEADS)
    answers = {**PROGRAM.code, "answers": CodeIdentity("9" * 16, {"fgtrain/answers.py": "2"})}
    after = plan_of(tmp_path, text=WITH_HEADS, program=replace(PROGRAM, code=answers))
    assert prints(before)[0] == prints(after)[0], "the pretrained encoder stays"
    assert [line.split(":")[0] for line in why_anew(before.model_dump(mode="json"), after)] == [
        "stage align",
        "stage sft",
    ]
    heads = {**PROGRAM.code, "heads": CodeIdentity("9" * 16, {"fgtrain/heads.py": "2", "fgtrain/new.py": "1"})}
    after = plan_of(tmp_path, text=WITH_HEADS, program=replace(PROGRAM, code=heads))
    assert why_anew(before.model_dump(mode="json"), after) == [
        "stage base: code of fgtrain/heads.py and 1 more changed since it was trained; trained anew",
        "stage align: starts from stage base; trained anew",
        "stage sft: starts from stage align; trained anew",
    ]


def test_the_code_is_no_reason_where_something_else_was_chosen(tmp_path):
    other = {**PROGRAM.code, "answers": CodeIdentity("9" * 16, {"fgtrain/answers.py": "2"})}
    after = plan_of(tmp_path, program=replace(PROGRAM, code=other))
    before = plan_of(tmp_path, "stages.align.weight_decay=0.1").model_dump(mode="json")
    assert why_anew(before, after) == []
    before = plan_of(tmp_path, "stages.sft.weight_decay=0.1").model_dump(mode="json")
    assert len(why_anew(before, after)) == 1


def test_how_a_stage_is_put_together_is_part_of_it(tmp_path, copy):
    before = this_program(copy)
    after = edited(copy, "fgtrain/jobs/train.py", "seed=recipe.seed,", "seed=recipe.seed + 1,")
    assert before.code["answers"].hash != after.code["answers"].hash


def test_rows_that_other_code_has_built_train_anew_and_other_rows_by_the_same_code_are_no_reason(tmp_path):
    facts = {**FACTS, "fine": replace(FACTS["fine"], code="1" * 16)}
    before = plan_of(tmp_path, facts=facts).model_dump(mode="json")
    built = {**facts, "fine": replace(FACTS["fine"], sha256="e" * 64, code="2" * 16)}
    after = plan_of(tmp_path, facts=built)
    assert why_anew(before, after) == ["stage sft: other code has built fine with other rows; trained anew"]
    edited_rows = {**facts, "fine": replace(facts["fine"], sha256="e" * 64)}
    assert why_anew(before, plan_of(tmp_path, facts=edited_rows)) == []
    same_rows = {**facts, "fine": replace(facts["fine"], code="2" * 16)}
    assert prints(plan_of(tmp_path, facts=same_rows)) == prints(plan_of(tmp_path, facts=facts))


@pytest.mark.parametrize("before", [{}, {"stages": 3}, {"stages": [7, {}]}, {"code": [], "stages": [{"name": "sft"}]}])
def test_a_plan_of_another_shape_gives_no_reason(tmp_path, before):
    assert why_anew(before, plan_of(tmp_path)) == []


def test_what_made_a_result_is_told_without_importing_it():
    code = "import sys; from fgtrain.plan.versions import this_program; made = this_program()"
    code += "; assert made.versions['torch']; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP).returncode == 0
