"""A study's measures at earlier checkpoints, by other numbers of a task, and what is left after a later stage."""

import numpy as np
import pytest
from study_run_fakes import FINE, GENERAL, make_run, mean_right

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json
from evaluation.report import write_study_report
from evaluation.shared.measure_names import MeasureName, read_measure
from evaluation.study import StudyRuns, from_json, study_answer, to_json
from evaluation.study.files import markdown
from evaluation.study.retained import spearman

SEEDS = (17, 18, 19)
# Log-odds at start, align and sft: what is best at align is worst at sft, and the reverse.
ARMS = {"a": (-2.0, 2.5, -1.5), "b": (-2.0, 1.0, -0.5), "c": (-2.0, 0.0, 1.0), "d": (-2.0, -1.0, 2.5)}


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {
        arm: {
            seed: make_run(root / f"{arm}_{seed}", {FINE: odds, GENERAL: (2.0, 1.0, -1.0)}, seed=seed) for seed in SEEDS
        }
        for arm, odds in ARMS.items()
    }


def answered(arms, measures, contrasts=()):
    return study_answer(StudyRuns("later", "?", arms, measures, contrasts))


def test_a_measure_at_a_checkpoint_is_that_of_runs_which_end_there(arms, tmp_path):
    """forgetting, too: the best before it, and nothing of what came after."""
    measures = ("fine_grained", "forgetting")
    cut = {}
    for arm, seeds in arms.items():
        for seed, folder in seeds.items():
            own = read_json(folder / "scores.json")
            write_json(tmp_path / f"{arm}_{seed}/scores.json", {**own, "checkpoints": own["checkpoints"][:2]})
            (tmp_path / f"{arm}_{seed}/answers").symlink_to(folder / "answers")
            cut.setdefault(arm, {})[seed] = tmp_path / f"{arm}_{seed}"
    pairs = (("a", "b"),)
    found = answered(arms, tuple(f"{one} at align" for one in measures), pairs)
    wanted = answered(cut, measures, pairs)
    for name in measures:
        for arm in ARMS:
            one, other = found.arm(arm).means[f"{name} at align"], wanted.arm(arm).means[name]
            assert (one.value, one.low, one.high, one.per_seed) == (other.value, other.low, other.high, other.per_seed)
    assert [(one.value, one.p) for one in found.contrasts] == [(one.value, one.p) for one in wanted.contrasts]


def test_immediate_and_retained_are_paired_and_their_order_is_told(arms, tmp_path):
    answer = answered(arms, ("fine_grained", "fine_grained at align", "forgetting"))
    (one,) = answer.retained
    assert (one.immediate, one.retained) == ("fine_grained at align", "fine_grained")
    for arm, change in one.arms.items():
        before, after = (
            [100 * mean_right(folder, name, FINE).mean() for folder in arms[arm].values()] for name in ("align", "sft")
        )
        assert change.before == pytest.approx(np.mean(before))
        assert change.after == pytest.approx(np.mean(after))
        assert change.value == pytest.approx(change.after - change.before)
        assert change.low < change.value < change.high
    assert one.order == pytest.approx(-1.0)
    assert -1.0 <= one.order_low <= one.order <= one.order_high < 0, "the arms lie far apart"
    assert from_json(to_json(answer)) == answer
    text = markdown(answer)
    assert "## Immediate and retained" in text
    assert "Rank correlation of fine-grained at align and fine-grained later over 4 arms: -1.00" in text
    write_study_report(StudyRuns("later", "?", arms), answer, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index("<h2>Immediate and retained</h2>") < page.index("Rank correlation of fine-grained at align")


def test_too_few_arms_have_no_order(arms):
    few = {arm: arms[arm] for arm in "abc"}
    (one,) = answered(few, ("fine_grained at align", "fine_grained")).retained
    assert one.order is None
    assert set(one.arms) == set("abc")
    assert spearman(np.array([1.0, 2, 3]), np.array([5.0, 5, 5])) is None
    assert spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx(0.9487, abs=1e-4)


def test_another_number_of_a_task_is_measured_without_pairing(arms):
    name = f"{FINE}:accuracy"
    plain, other = answered(arms, (FINE, "fgbmk/cub")), answered(arms, (name, "fgbmk:accuracy"))
    assert plain.arm("a").means["fgbmk/cub"].per_seed == plain.arm("a").means[FINE].per_seed, "all tasks of that name"
    assert other.arm("a").means["fgbmk:accuracy"].per_seed == pytest.approx(plain.arm("a").means[FINE].per_seed)
    a, b = plain.arm("a").means[FINE], other.arm("a").means[name]
    assert a.value == pytest.approx(b.value)
    assert other.measures[0].chance is None
    with pytest.raises(UserError, match=r"has no yes_ratio under the rule .* it has accuracy"):
        answered(arms, (f"{FINE}:yes_ratio",))


def test_names_of_measures_are_read_or_refused(arms):
    assert read_measure("steps until fine_grained reaches 60") == MeasureName("fine_grained", reaches=60.0)
    assert read_measure("pope:yes_ratio at sft") == MeasureName("pope:yes_ratio", at="sft")
    assert read_measure("frow").better == 1
    assert read_measure("forgetting at sft").better == read_measure("steps until frow reaches 5").better == -1
    for text in ("fine_grained in sft", "steps until frow", "steps until frow reaches 0", ""):
        with pytest.raises(ValueError, match=r"form|score in percent"):
            read_measure(text)
    with pytest.raises(UserError, match="no run was scored at last; checkpoints: start, align, sft"):
        answered(arms, ("fine_grained at last",))
    with pytest.raises(UserError, match="is not of the form"):
        answered(arms, ("fine_grained in sft",))
