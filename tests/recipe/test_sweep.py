"""A merge at several shares is as many stages written by hand."""

from recipe_fakes import BASE, write

from fgtrain.recipe import dump_resolved, load_recipe

SWEEP = "  wise: {merge: {align: [0.25, 0.5, 1]}}\n"
BY_HAND = "".join(f"  wise@{share}: {{after: sft, merge: {{align: {share}}}}}\n" for share in ("0.25", "0.5", "1"))
THEN = "  last: {merge: {wise@0.5: 0.5}, after: sft}\n"


def loaded(folder, stages: str, at: str):
    text = BASE.replace("evaluation: {tasks: [fgbmk]}", f"{stages}evaluation: {{tasks: [fgbmk], at: {at}}}")
    return load_recipe(write(folder, "recipe.yaml", text))


def test_a_sweep_is_its_stages_written_by_hand_and_its_name_means_all_of_them(tmp_path):
    swept = loaded(tmp_path, SWEEP + THEN, "[sft, wise, last]")
    assert swept == loaded(tmp_path, BY_HAND + THEN, "[sft, wise@0.25, wise@0.5, wise@1, last]")
    again = write(tmp_path, "again.yaml", dump_resolved(swept))
    assert load_recipe(again) == swept

    off = SWEEP.replace("{merge", "{enabled: false, merge")
    assert list(loaded(tmp_path, off, "[sft]").enabled_stages) == ["align", "sft"]
    first = loaded(tmp_path, SWEEP.replace("wise", "a") + SWEEP.replace("{merge", "{after: start, merge"), "[sft]")
    assert [stage.after for stage in first.enabled_stages.values()] == [None, None, *["sft"] * 3, *["start"] * 3]
