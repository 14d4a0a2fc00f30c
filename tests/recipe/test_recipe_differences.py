"""What differs between two recipes is told, and nothing else."""

from recipe_fakes import BASE, write, write_base

from fgtrain.recipe import ABSENT, Difference, differences, load_recipe


def test_a_recipe_does_not_differ_from_itself(tmp_path):
    recipe = load_recipe(write_base(tmp_path))
    assert differences(recipe, recipe) == []


def test_differences_are_the_keys_that_were_changed(tmp_path):
    base = write_base(tmp_path)
    other = load_recipe(base, ["stages.sft.mix.fine=5", "stages.sft.mix.general=null", "seed=3"])
    assert differences(load_recipe(base), other) == [
        Difference("seed", 17, 3),
        Difference("stages.sft.mix.general", 1, ABSENT),
        Difference("stages.sft.mix.fine", 2, 5),
    ]


def test_differences_turn_round_with_their_arguments(tmp_path):
    base = write_base(tmp_path)
    a, b = load_recipe(base), load_recipe(base, ["stages.sft=null", "devices.precision=bf16"])
    turned = [Difference(d.key, d.b, d.a) for d in differences(b, a)]
    assert sorted(map(repr, turned)) == sorted(map(repr, differences(a, b)))


def test_the_order_of_stages_is_a_difference(tmp_path):
    align = BASE[BASE.index("  align:") : BASE.index("  sft:")]
    swapped = BASE.replace(align, "").replace("evaluation:", align + "evaluation:").replace("tasks:", "at: [], tasks:")
    a = load_recipe(write_base(tmp_path), ["evaluation.at=[]"])
    b = load_recipe(write(tmp_path, "swapped.yaml", swapped))
    assert list(b.stages) == ["sft", "align"]
    assert [d.key for d in differences(a, b)] == ["stages (order)"]
