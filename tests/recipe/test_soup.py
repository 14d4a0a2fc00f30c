"""Arms that are averages of others: ordinary runs with one stage more, whose ingredients are other arms' own work."""

from collections import Counter

import pytest
from recipe_fakes import write
from study_fakes import STUDY, study_of

from fgtrain.errors import UserError
from fgtrain.graph import build_graph
from fgtrain.graph.begin import light_plans
from fgtrain.recipe import dump_resolved, load_recipe, load_study
from fgtrain.recipe.smoke import smoke

PLAIN = STUDY.replace("arms:", "changes: {prepare: [{what: drawn, out: world}]}\narms:", 1)
SOUPS = PLAIN.replace("seeds:", "  both: {soup: {of: [early, late]}}\n  seeds: {soup: {seeds_of: late}}\nseeds:", 1)


def test_a_soup_is_its_first_ingredient_and_an_average_of_what_the_arms_do_anyway(tmp_path):
    plain, study = (
        study_of(tmp_path, f"data_root={tmp_path}", text=PLAIN),
        study_of(tmp_path, f"data_root={tmp_path}", text=SOUPS),
    )
    names = {(one.arm, one.seed) for one in study.recipes}
    assert names == {(one.arm, one.seed) for one in plain.recipes} | {("both", 17), ("both", 18), ("seeds", 17)}
    runs, plans = {one.recipe.name: one.recipe for one in study.recipes}, light_plans(study)
    for soup, others in {
        "both-s17": ["early-s17", "late-s17"],
        "both-s18": ["early-s18", "late-s18"],
        "seeds-s17": ["late-s17", "late-s18"],
    }.items():
        *before, last = plans[f"placement-{soup}"].stages
        mine, theirs = (plans[f"placement-{name}"].stages for name in others)
        assert [stage.fingerprint for stage in before] == [stage.fingerprint for stage in mine]
        assert list(last.elsewhere.values()) == [theirs[-1].fingerprint]
        assert set(last.parts[2].shares.values()) == {0.5}
        again = load_recipe(write(tmp_path, "again.yaml", dump_resolved(runs[f"placement-{soup}"])))
        assert again == runs[f"placement-{soup}"]
    assert "mean of early and late" in study.notes[0]
    assert "its interval covers images alone" in study.notes[1]

    def work(of) -> Counter:
        return Counter(job.kind for job in build_graph(of, light_plans(of)))

    assert work(study) - work(plain) == Counter(merge=3, prepare=3, report=3, evaluate=3)
    graph = build_graph(study, plans)
    merge = next(job for job in graph if job.name == "placement-seeds-s17/merge-soup")
    assert {"placement-late-s17/train-sft", "placement-late-s18/train-sft"} <= set(merge.after)

    resolved = load_study([str(write(tmp_path, "resolved.yaml", study.resolved))])
    assert [(one.arm, one.seed, one.recipe) for one in resolved.recipes] == [
        (one.arm, one.seed, one.recipe) for one in study.recipes
    ]
    few = light_plans(smoke(study))
    assert few["placement-both-s17"].stages[-1].elsewhere["of-late"] == few["placement-late-s17"].stages[-1].fingerprint


def test_a_soup_waits_for_whatever_its_ingredients_end_with(tmp_path):
    best = "stages.sft.keep_best: {}, evaluation.every_steps: 2, stages.best: {best_of: sft}"
    arms = f"  early: {{{best}, stages.sft.steps: 20}}\n  late: {{{best}}}\n  both: {{soup: {{of: [early, late]}}}}\n"
    text = f"name: placement\nbase: base.yaml\nchanges: {{prepare: [{{what: drawn, out: world}}]}}\narms:\n{arms}"
    study = study_of(tmp_path, f"data_root={tmp_path}", text=text)
    graph = build_graph(study, light_plans(study))
    merge = next(job for job in graph if job.name == "placement-both-s17/merge-soup")
    assert {"placement-early-s17/best-best", "placement-late-s17/best-best"} <= set(merge.after)


@pytest.mark.parametrize(
    ("written", "told"),
    {
        "{soup: {of: [early, lat]}}": "arms.both.soup names lat, which is no arm with a recipe. Did you mean late?",
        "{soup: {of: [early, early]}}": "arms.both.soup names an arm twice",
        "{soup: {}}": "arms.both.soup must be {of: [ARM, ARM]}, seed by seed, or {seeds_of: ARM}",
        "{soup: {of: [early, late]}, seed: 3}": "arms.both.soup stands beside seed.",
        "{soup: {of: [early, wide]}}": "arms.both.soup cannot be: wide has another model or precision than early",
    }.items(),
)
def test_what_cannot_be_averaged_is_told(tmp_path, written, told):
    text = STUDY.replace("seeds:", f"  both: {written}\n  wide: {{model.projector_width: 9}}\nseeds:", 1)
    with pytest.raises(UserError) as caught:
        study_of(tmp_path, text=text)
    assert told in str(caught.value)
