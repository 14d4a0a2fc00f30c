"""Laws of reading recipes: extends, overrides, placeholders, and text that loads again."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from recipe_fakes import BASE, write, write_base

from fgtrain.errors import UserError
from fgtrain.recipe import as_values, dump_resolved, load_recipe
from fgtrain.recipe.merge import merge
from fgtrain.recipe.yaml_reader import as_number, scientific

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))


def test_a_recipe_extended_by_nothing_equals_itself(tmp_path):
    base = write_base(tmp_path)
    assert load_recipe(write(tmp_path, "same.yaml", "extends: base.yaml\n")) == load_recipe(base)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_dumped_recipe_loads_to_an_equal_one(path, tmp_path):
    recipe = load_recipe(path, ["stages.align.mix.llava_558k=0.5", "stages.sft.train.language_model.lora={rank: 8}"])
    again = load_recipe(write(tmp_path, "resolved.yaml", dump_resolved(recipe)))
    assert again == recipe
    assert list(again.stages) == list(recipe.stages)
    assert dump_resolved(again) == dump_resolved(recipe)


@given(lr=st.floats(1e-12, 1e3), passes=st.floats(0.001, 1000), seed=st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_every_number_survives_the_dump(tmp_path_factory, lr, passes, seed):
    folder = tmp_path_factory.mktemp("dump")
    chosen = [f"stages.align.train.projector={lr!r}", f"stages.align.mix.general={passes!r}", f"seed={seed}"]
    recipe = load_recipe(write_base(folder), chosen)
    assert recipe.stages["align"].train["projector"].lr == lr
    assert load_recipe(write(folder, "again.yaml", dump_resolved(recipe))) == recipe


def test_mappings_merge_and_everything_else_replaces(tmp_path):
    write_base(tmp_path)
    write(tmp_path, "middle.yaml", "extends: base.yaml\nname: middle\nstages: {align: {mix: {fine: 10}}}\n")
    leaf = "extends: middle.yaml\nname: leaf\nevaluation: {tasks: [frow]}\nstages: {sft: {clip_norm: null}}\n"
    recipe = load_recipe(write(tmp_path, "leaf.yaml", leaf))
    assert recipe.name == "leaf"
    assert recipe.stages["align"].mix == {"general": 1, "fine": 10}
    assert recipe.evaluation.tasks == ("frow",)
    assert recipe.stages["sft"].clip_norm is None, "null is a value where the schema has the key"
    assert recipe.stages["align"].clip_norm == 1.0


def test_null_removes_a_key_that_a_person_invented(tmp_path):
    write_base(tmp_path)
    text = "extends: base.yaml\nstages: {sft: {mix: {general: null}, train: {language_model: null}}}\n"
    sft = load_recipe(write(tmp_path, "less.yaml", text)).stages["sft"]
    assert sft.mix == {"fine": 2}
    assert list(sft.train) == ["projector"]


def test_null_removes_a_builder_option_however_deep(tmp_path):
    write_base(tmp_path)
    options = "data: {fine: {options: {seed: 3, deep: {a: 1, b: 2}}}}\n"
    write(tmp_path, "middle.yaml", "extends: base.yaml\n" + options)
    leaf = "extends: middle.yaml\ndata: {fine: {options: {seed: null, deep: {a: null}}}}\n"
    assert load_recipe(write(tmp_path, "leaf.yaml", leaf)).data["fine"].options == {"source": "cub", "deep": {"b": 2}}


def test_paths_in_builder_options_take_the_roots(tmp_path):
    write_base(tmp_path)
    options = "data: {fine: {options: {texts: '{data_root}/texts', against: ['{built_root}/b', c]}}}\n"
    leaf = write(tmp_path, "leaf.yaml", "extends: base.yaml\n" + options)
    recipe = load_recipe(leaf, ["data_root=/downloads", "built_root=built"])
    filled = recipe.filled(recipe.data["fine"].options)
    assert filled == {"source": "cub", "texts": "/downloads/texts", "against": ["built/b", "c"]}
    rootless = load_recipe(leaf)
    with pytest.raises(UserError, match=r"data\.fine\.options\.texts is .*data_root is not given"):
        rootless.filled(rootless.data["fine"].options, "data.fine.options")


def test_extends_is_relative_to_its_own_file(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    write_base(tmp_path)
    leaf = write(tmp_path / "deep", "leaf.yaml", "extends: ../base.yaml\nname: leaf\n")
    monkeypatch.chdir("/")
    assert load_recipe(leaf).name == "leaf"


def test_a_recipe_is_found_beside_the_package_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("recipes/general.yaml").name == "general"


def test_extends_in_a_circle_is_refused(tmp_path):
    a = write(tmp_path, "a.yaml", "extends: b.yaml\nname: a\n")
    write(tmp_path, "b.yaml", "extends: a.yaml\nname: b\n")
    with pytest.raises(UserError, match=r"circle: a\.yaml -> b\.yaml -> a\.yaml"):
        load_recipe(a)


nested = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


@given(nested, nested)
def test_laying_over_is_idempotent_and_nothing_is_lost(base, over):
    assert merge(base, {}) == base
    assert merge({}, over) == over
    assert merge(merge(base, over), over) == merge(base, over)
    assert set(merge(base, over)) == set(base) | set(over)


def test_overrides_are_typed_as_a_person_types(tmp_path):
    recipe = load_recipe(
        write_base(tmp_path),
        [
            "stages.align.train.projector=1e-4",
            "stages.align.mix.fine=10",
            "stages.sft.mix.general=null",
            "data.extra={path: somewhere, rows: 5}",
            "stages.sft.train.language_model={lr: 1e-5, lora: {rank: 4}}",
            "data.fine.options.seed=3",
            "name=other",
            "evaluation.tasks=[fgbmk, frow]",
            "devices.count=2",
            "stages.align.clip_norm=null",
        ],
    )
    align, sft = recipe.stages["align"], recipe.stages["sft"]
    assert align.train["projector"].lr == 1e-4
    assert align.mix == {"general": 1, "fine": 10}
    assert sft.mix == {"fine": 2}
    assert sft.train["language_model"].lora.rank == 4
    assert recipe.data["extra"].rows == 5
    assert recipe.data["fine"].options == {"source": "cub", "seed": 3}
    assert (recipe.name, recipe.evaluation.tasks, recipe.devices.count) == ("other", ("fgbmk", "frow"), 2)
    assert align.clip_norm is None


def test_the_last_override_wins(tmp_path):
    assert load_recipe(write_base(tmp_path), ["seed=1", "seed=2"]).seed == 2


def test_a_new_stage_may_be_added_whole_and_a_stage_removed(tmp_path):
    stage = "stages.fg={train: {projector: 1e-3}, mix: {fine: 1}, global_batch_size: 8}"
    recipe = load_recipe(write_base(tmp_path), [stage, "stages.sft=null"])
    assert list(recipe.stages) == ["align", "fg"]


def test_evaluation_follows_the_enabled_stages_unless_chosen(tmp_path):
    base = write_base(tmp_path)
    assert load_recipe(base).evaluation.at == ("start", "align", "sft")
    assert load_recipe(base, ["stages.align.enabled=false"]).evaluation.at == ("start", "sft")
    assert load_recipe(base, ["evaluation.at=[sft]"]).evaluation.at == ("sft",)


def test_placeholders_wait_until_a_path_is_needed(tmp_path):
    base = write_base(tmp_path)
    without = load_recipe(base)
    assert without.data_folder("fine") == Path("data/fine")
    with pytest.raises(UserError, match=r"data\.general\.path.*data_root is not given.*data_root=DIR"):
        without.data_folder("general")
    given_root = load_recipe(base, ["data_root=/somewhere", "model.vision_encoder='{data_root}/weights/v'"])
    assert given_root.data_folder("general") == Path("/somewhere/general")
    assert given_root.path(given_root.data["fine"].root) == Path("/somewhere/CUB_200_2011")
    assert given_root.model_with_paths().vision_encoder == "/somewhere/weights/v"
    assert given_root.model.vision_encoder == "{data_root}/weights/v"


def test_question_files_are_searched_where_roots_are_given(tmp_path):
    base = write_base(tmp_path)
    assert load_recipe(base).evaluation_folders() == [Path("data")]
    assert load_recipe(base, ["data_root=/somewhere"]).evaluation_folders() == [Path("/somewhere"), Path("data")]
    with pytest.raises(UserError, match=r"evaluation\.data.*data_root=DIR"):
        load_recipe(base, ["evaluation.data=['{data_root}/FG-BMK']"]).evaluation_folders()


def test_a_recipe_cannot_be_changed(tmp_path):
    recipe = load_recipe(write_base(tmp_path))
    with pytest.raises(ValidationError):
        recipe.seed = 1


def test_two_paths_to_one_recipe_read_alike(tmp_path):
    write_base(tmp_path)
    explicit = yaml.safe_dump(as_values(load_recipe(tmp_path / "base.yaml")))
    assert load_recipe(write(tmp_path, "explicit.yaml", explicit)) == load_recipe(tmp_path / "base.yaml")
    anchors = BASE.replace("mix: {general: 1}\n", "mix: &m {general: 1}\n").replace(
        "mix: {general: 1, fine: 2}", "mix: *m"
    )
    assert load_recipe(write(tmp_path, "anchors.yaml", anchors)).stages["sft"].mix == {"general": 1}


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{:e}", "{:g}", "{:.0e}", "{:.1E}"]))
def test_the_hint_for_a_number_is_a_number_in_yaml(value, form):
    text = form.format(value)
    hint = yaml.safe_load(scientific(text))
    assert isinstance(hint, float | int)
    assert hint == pytest.approx(as_number(text), rel=1e-12)
