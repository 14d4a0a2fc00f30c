"""What watching a stage changes in its plan, and that not watching changes nothing."""

from pathlib import Path

import pytest
from plan_fakes import FACTS, plan_of, recipe_of

from fgtrain.errors import UserError
from fgtrain.plan import DataFacts
from fgtrain.plan.asked_between import ASKED
from fgtrain.plan.lineage import origin

EVERY, STOP = "evaluation.every_steps=10", "stages.sft.stop_when={forgetting: 5}"
ASKED_FACTS = FACTS | {ASKED: DataFacts(sha256="e" * 64)}


def prints(folder: Path, *overrides: str, facts: dict = ASKED_FACTS) -> list[str]:
    return [stage.fingerprint for stage in plan_of(folder, *overrides, facts=facts).stages]


def test_what_a_watch_looks_at_decides_its_stage_and_no_other(tmp_path: Path) -> None:
    plain = prints(tmp_path)
    assert prints(tmp_path, EVERY) == plain  # the curves decide nothing
    watched = [
        prints(tmp_path, EVERY, STOP),
        prints(tmp_path, EVERY, "stages.sft.stop_when={forgetting: 6}"),
        prints(tmp_path, EVERY, "stages.sft.keep_best={gain: 1}"),
        prints(tmp_path, "evaluation.every_steps=5", STOP),
        prints(tmp_path, EVERY, STOP, "evaluation.subset=20"),
        prints(tmp_path, EVERY, STOP, "evaluation.groups={fgbmk: general}"),
        prints(tmp_path, EVERY, STOP, facts=FACTS | {ASKED: DataFacts(sha256="f" * 64)}),
    ]
    assert all(one[0] == plain[0] for one in watched)
    assert len({one[1] for one in watched} | {plain[1]}) == len(watched) + 1
    assert plan_of(tmp_path, EVERY, STOP, facts=FACTS).stages[1].provisional  # question files are not here


def test_the_plan_counts_looks_and_what_they_cost(tmp_path: Path) -> None:
    plain, watched = plan_of(tmp_path, EVERY), plan_of(tmp_path, EVERY, STOP, "stages.sft.keep_best={}")
    steps, watch = watched.stages[1].steps, watched.stages[1].watch
    assert (watch.looks, watch.limit, watch.best) == ((steps - 1) // 10, 5, True)
    asked = [one.questions for plan in (plain, watched) for one in plan.evaluations if one.during][1::2]
    assert asked[1] / asked[0] == (steps // 10 + 2) / (steps // 10)  # before the first step, and after the last
    assert watched.disk.checkpoints / plain.disk.checkpoints == 3 / 2
    assert any("stops early where more than 5 points" in note for note in watched.notes)
    with pytest.raises(UserError, match=r"stages\.sft\.stop_when .*it would never look"):
        plan_of(tmp_path, "evaluation.every_steps=1000", STOP)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([STOP], "evaluation.every_steps: it is null"),
        ([STOP, EVERY, "evaluation.tasks=[]"], "evaluation.tasks, which names none"),
        ([EVERY, STOP, "stages.sft.objective=heads", "stages.sft.train={vision_encoder: 1.0e-3}"], "has none"),
        (["evaluation.recovery={at: [start], on: [general]}"], "no enabled stage that trains on answers"),
        (["evaluation.recovery={at: [sft], on: [extra]}"], "which no enabled stage mixes: nothing old"),
        ([EVERY, "stages.sft.keep_best={gain: 0, forgetting: 0}"], "weighs nothing"),
    ],
)
def test_what_cannot_be_watched_is_refused(tmp_path: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan_of(tmp_path, *overrides)


def test_a_best_checkpoint_has_a_name_and_only_what_its_stage_trains_is_another_than_before(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, EVERY, "stages.sft.keep_best={}", "stages.kept={best_of: sft}")
    assert origin(recipe, "kept", ("language_model",)) == "kept"
    assert origin(recipe, "kept", ("vision_encoder",)) == "start"
    plan = plan_of(tmp_path, EVERY, "stages.sft.keep_best={}", "stages.kept={best_of: sft}")
    assert (plan.stages[2].starts_from, plan.stages[2].steps, plan.evaluated[-1]) == ("sft", 0, "kept")
    with pytest.raises(UserError, match="keeps its best checkpoint"):
        plan_of(tmp_path, EVERY, "stages.kept={best_of: sft}")
