"""Laws of a study: arms x grid x seeds are recipes, each what the same changes on the command line would give."""

import pytest
from recipe_fakes import BASE, write, write_base
from study_fakes import STUDY, study_of, write_study

from fgtrain.errors import UserError
from fgtrain.recipe import Contrast, Matched, as_values, load_recipe, load_study


def content(recipe) -> dict:
    """All but what a study gives each of its runs."""
    values = {key: value for key, value in as_values(recipe).items() if key not in ("name", "seed")}
    del values["wandb"]["group"], values["wandb"]["tags"], values["wandb"]["arm"]
    return values


def by_name(study) -> dict:
    return {one.recipe.name: one.recipe for one in study.recipes}


def test_an_arm_is_the_base_with_its_changes_on_the_command_line(tmp_path):
    study = study_of(tmp_path)
    base = tmp_path / "base.yaml"
    by_hand = {
        "none": load_recipe(base, ["stages.sft.mix.fine=null"]),
        "early": load_recipe(base, ["stages.align.mix.fine=2", "stages.sft.mix.fine=null"]),
        "late": load_recipe(base),
    }
    for one in study.recipes:
        assert content(one.recipe) == content(by_hand[one.arm])
        assert one.recipe.seed == one.seed
        assert one.recipe.name == f"placement-{one.arm}-s{one.seed}"
    assert [(one.arm, one.seed) for one in study.recipes] == [
        (arm, seed) for seed in (17, 18) for arm in ("none", "early", "late")
    ]


def test_what_the_file_says_is_kept(tmp_path):
    study = study_of(tmp_path)
    assert (study.name, study.file) == ("placement", tmp_path / "placement.yaml")
    assert study.question == "Where should fine-grained data enter?\n\nTen passes, early or late."
    assert str(study.folder) == "runs/placement"
    assert study.matched == (Matched(what="exposures.fine"), Matched(what="updates.language_model", but=("none",)))
    assert study.measure == ("fine_grained", "fgbmk/cub")
    assert study.contrasts == (Contrast(a="early", b="late"), Contrast(a="late", b="none"))
    assert {arm.name: [change.key for change in arm.changes] for arm in study.arms} == {
        "none": ["stages.sft.mix.fine"],
        "early": ["stages.align.mix.fine", "stages.sft.mix.fine"],
        "late": [],
    }


def test_in_wandb_the_runs_are_grouped_by_study_and_tagged_with_arm_and_seed(tmp_path):
    changes = "changes: {wandb: {tags: [pilot], entity: lab}}\n"
    runs = by_name(study_of(tmp_path, text=STUDY + changes))
    wandb = runs["placement-early-s18"].wandb
    assert (wandb.group, wandb.tags, wandb.entity, wandb.arm) == (
        "placement",
        ("pilot", "early", "seed-18"),
        "lab",
        "early",
    )
    own = by_name(study_of(tmp_path, text=STUDY + "changes: {wandb.group: mine}\n"))
    assert {recipe.wandb.group for recipe in own.values()} == {"mine"}
    seeds = load_study([str(tmp_path / "base.yaml"), "seed=1,2"]).recipes
    assert [(one.recipe.wandb.group, one.recipe.wandb.tags[-1]) for one in seeds] == [
        ("base", "seed-1"),
        ("base", "seed-2"),
    ]


@pytest.mark.parametrize(
    "more",
    [
        "",
        "grid: {stages.sft.global_batch_size: [32, 64], devices.precision: [fp32, bf16]}\n",
        "changes: {wandb: {tags: [pilot], group: mine}}\n",
    ],
)
def test_the_resolved_file_needs_no_other_and_gives_the_same_runs(tmp_path, more):
    study = study_of(tmp_path, text=STUDY + more)
    (tmp_path / "base.yaml").unlink()
    again = load_study([str(write(tmp_path, "study.resolved.yaml", study.resolved))])
    for kept in ("name", "question", "seeds", "matched", "measure", "contrasts", "recipes"):
        assert getattr(again, kept) == getattr(study, kept)


def test_without_seeds_the_bases_seed_is_the_one(tmp_path):
    text = STUDY.replace("seeds: [17, 18]\n", "")
    write_study(tmp_path, text)
    write(tmp_path, "base.yaml", BASE + "seed: 5\n")
    assert load_study([str(tmp_path / "placement.yaml")]).seeds == (5,)


def test_seeds_of_the_command_line_take_the_place_of_the_files(tmp_path):
    assert study_of(tmp_path, "seed=3,4,5").seeds == (3, 4, 5)
    assert study_of(tmp_path, "seed=[3]").seeds == (3,)
    with pytest.raises(UserError, match=r"seed is 3;4, not whole numbers\. Write seed=17, or seed=17,18,19"):
        study_of(tmp_path, "seed=3;4")
    with pytest.raises(UserError, match=r"seed=3,3 names 3 twice"):
        study_of(tmp_path, "seed=3,3")


def test_a_change_on_the_command_line_is_laid_over_every_arm(tmp_path):
    study = study_of(tmp_path, "stages.sft.global_batch_size=64", "devices.precision=bf16")
    for one in study.recipes:
        assert (one.recipe.stages["sft"].global_batch_size, one.recipe.devices.precision) == (64, "bf16")
    assert [change.key for change in study.arms[0].changes] == ["stages.sft.mix.fine"], "nothing that all arms share"


def test_a_change_that_makes_two_arms_equal_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"stages.sft.mix.fine=3 makes arms none and late equal"):
        study_of(tmp_path, "stages.sft.mix.fine=3")
    with pytest.raises(UserError, match="arms late and also are equal"):
        study_of(tmp_path, text=STUDY.replace("  late: {}\n", "  late: {}\n  also: {}\n"))


def test_the_command_line_can_name_the_study_anew(tmp_path):
    study = study_of(tmp_path, "name=again")
    assert study.name == "again"
    assert study.recipes[0].recipe.name == "again-none-s17"


def test_changes_for_all_arms_stand_below_those_of_an_arm(tmp_path):
    text = STUDY + "changes: {stages.sft.clip_norm: 2.0, devices: {precision: bf16}}\n"
    text = text.replace("late: {}", "late: {stages.sft.clip_norm: 3.0}")
    study = study_of(tmp_path, text=text)
    assert [one.recipe.stages["sft"].clip_norm for one in study.recipes[:3]] == [2.0, 2.0, 3.0]
    assert {one.recipe.devices.precision for one in study.recipes} == {"bf16"}


def test_an_arm_may_be_another_recipe_and_changes(tmp_path):
    leaf = "extends: base.yaml\nname: leaf\nseed: 4\ndevices: {precision: bf16}\n"
    write(tmp_path, "leaf.yaml", leaf)
    text = STUDY.replace("late: {}", "late: {recipe: leaf.yaml, stages.sft.clip_norm: 3.0}")
    late = by_name(study_of(tmp_path, text=text))["placement-late-s17"]
    assert content(late) == content(load_recipe(tmp_path / "leaf.yaml", ["stages.sft.clip_norm=3.0"]))


def test_a_grid_multiplies_every_arm_and_every_contrast(tmp_path):
    grid = "grid: {stages.sft.train.projector: [2.0e-5, 0.5], stages.align.augment: [none, flip_crop]}\n"
    study = study_of(tmp_path, text=STUDY + grid)
    points = ["projector_2e-05-augment_none", "projector_2e-05-augment_flip_crop"]
    points += ["projector_0_5-augment_none", "projector_0_5-augment_flip_crop"]
    assert [arm.name for arm in study.arms] == [f"{a}-{p}" for a in ("none", "early", "late") for p in points]
    late = by_name(study)["placement-late-projector_0_5-augment_flip_crop-s18"]
    by_hand = ["stages.sft.train.projector=0.5", "stages.align.augment=flip_crop"]
    assert content(late) == content(load_recipe(tmp_path / "base.yaml", by_hand))
    assert study.contrasts[:4] == tuple(Contrast(a=f"early-{p}", b=f"late-{p}") for p in points)
    assert study.matched[1].but == tuple(f"none-{p}" for p in points)


def test_a_grid_alone_is_a_study_and_its_names_tell_keys_and_values_apart(tmp_path):
    text = "name: rates\nbase: base.yaml\ngrid: {stages.align.train.projector: [1.0e-3, 2.0e-3], "
    text += "stages.sft.train.projector: [1.0e-5, {lr: 2.0e-5, layers: last 1}]}\n"
    names = [arm.name for arm in study_of(tmp_path, text=text).arms]
    assert names[:2] == ["align_train_projector_0_001-sft_train_projector_1", names[1]]
    assert names[1] == "align_train_projector_0_001-sft_train_projector_2", "a mapping has no short name"
    assert len(set(names)) == 4


def test_a_recipe_is_an_unnamed_study_under_its_own_name(tmp_path):
    base = write_base(tmp_path)
    study = load_study([str(base), "devices.precision=bf16"])
    assert (study.name, study.folder, study.matched, study.contrasts) == (None, None, (), ())
    assert [one.recipe for one in study.recipes] == [load_recipe(base, ["devices.precision=bf16"])]
    assert load_study([str(base), "seed=5"]).recipes[0].recipe == load_recipe(base, ["seed=5"])


def test_several_recipes_and_seeds_are_runs_with_names_of_their_own(tmp_path):
    base = write_base(tmp_path)
    other = write(tmp_path, "other.yaml", "extends: base.yaml\nname: other\nstages: {sft: {mix: {fine: 3}}}\n")
    study = load_study([str(base), str(other), "seed=1,2"])
    assert list(by_name(study)) == ["base-s1", "other-s1", "base-s2", "other-s2"]
    assert [one.recipe.seed for one in study.recipes] == [1, 1, 2, 2]
    assert list(by_name(load_study([str(base), str(other)]))) == ["base", "other"]
    with pytest.raises(UserError, match=r"stages.sft.mix.fine=7 makes arms base and other equal"):
        load_study([str(base), str(other), "stages.sft.mix.fine=7"])
    same = write(tmp_path, "same.yaml", "extends: base.yaml\nname: Base\n")
    with pytest.raises(UserError, match="2 of the recipes are named base, and each needs a run folder of its own"):
        load_study([str(base), str(same)])
