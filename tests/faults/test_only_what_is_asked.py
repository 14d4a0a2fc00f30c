"""Of benchmarks only what a recipe asks is built; FROW's questions may be written about several data sets at once."""

from pathlib import Path

import pytest
from PIL import Image
from table import rows

from data_builders.build import build, same_build
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from fgtrain.jobs.build import builds
from fgtrain.recipe import load_recipe

GENERAL = ["ai2d", "chartqa", "docvqa", "infovqa", "mathvista", "pope"]


@rows(
    ("all of them", "[fgbmk,frow,ai2d,chartqa,docvqa,infovqa,mathvista,pope]", GENERAL),
    ("one of six", "[fgbmk,pope]", ["pope"]),
    ("none of six", "[fgbmk,frow]", []),
    ("by a glob", "['*vqa']", ["docvqa", "infovqa"]),
    ("no tasks at all", "[]", []),
)
def test_a_recipe_prepares_the_general_benchmarks_that_its_tasks_ask(how, out, tmp_path):
    recipe = load_recipe("recipes/general.yaml", [f"data_root={tmp_path}", f"evaluation.tasks={how}"])
    first, _ = builds(recipe)
    assert [arguments["options"]["benchmark"] for arguments in first] == out


def test_what_a_training_set_is_compared_with_is_built_though_no_task_asks_it(tmp_path):
    changes = [f"data_root={tmp_path}", "evaluation.tasks=[pope]", "data.llava_665k.options.against={built_root}"]
    first, _ = builds(load_recipe("recipes/general.yaml", changes))
    assert [arguments["options"]["benchmark"] for arguments in first] == GENERAL


TEXT = "The {} is small. It lives in old forests. It feeds on beetles. Its song is loud. It grows to ten inches."


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)


@pytest.fixture
def two(tmp_path):
    """A folder with a user's own pictures, another with Food-101's layout, and a text for each category."""
    for shade, name in enumerate(("jay", "wren")):
        for split in ("train", "test"):
            picture(tmp_path / "birds" / split / name / "1.png", shade + 2 * (split == "test"))
    for shade, split in enumerate(("train", "test")):
        picture(tmp_path / f"food/images/apple_pie/{shade}.jpg", 100 + shade)
        (tmp_path / "food/meta").mkdir(exist_ok=True)
        (tmp_path / f"food/meta/{split}.txt").write_text(f"apple_pie/{shade}\n")
    (tmp_path / "food/meta/classes.txt").write_text("apple_pie\n")
    for source, names in (("folder", ("jay", "wren")), ("food101", ("apple pie",))):
        (tmp_path / "texts" / source).mkdir(parents=True)
        for name in names:
            (tmp_path / "texts" / source / f"{name}.txt").write_text(TEXT.format(name))
    return tmp_path


def asked(out: Path) -> dict[str, list[dict]]:
    return {path.name.split("_")[0]: list(read_jsonl(path)) for path in (out / "FROW").glob("*_with_reference.jsonl")}


@rows(
    ("at once", ["folder=birds,food101=food"], {"folder": 2, "food101": 1}),
    ("one of several", ["food101=food"], {"food101": 1}),
    ("one after the other", ["food101=food", "folder=birds"], {"folder": 2, "food101": 1}),
)
def test_frow_is_written_about_several_data_sets(how, out, two):
    options = {"texts": str(two / "texts")}
    for source in how:
        build("frow", root=two, out=two / "out", options={"source": source, **options})
        assert same_build(two / "out", "frow", {"source": source, **options}, two)
    found = asked(two / "out")
    assert {name: len(questions) for name, questions in found.items()} == out
    for name, root in (("folder", "birds"), ("food101", "food")):
        build("frow", root=two / root, out=two / name, options={"source": name, **options})
        assert name not in out or asked(two / name)[name] == found[name]


def test_one_data_set_is_added_to_those_that_are_there(two):
    options = {"texts": str(two / "texts")}
    build("frow", root=two / "birds", out=two / "out", options={"source": "folder", **options})
    before = (two / "out/FROW/folder_with_reference.jsonl").stat()
    manifest = build("frow", root=two, out=two / "out", options={"source": "folder=birds,food101=food", **options})
    assert (two / "out/FROW/folder_with_reference.jsonl").stat().st_mtime_ns == before.st_mtime_ns
    assert (manifest["rows"], manifest["images"], manifest["sources"]) == (3, 3, ["folder", "food101"])


@rows(
    ("one name for two", {"dataset": "both"}, "dataset is of one data set"),
    ("a folder that is not there", {"source": "folder=birds,food101=nowhere"}, "no folder .*nowhere"),
    ("outside the root", {"source": "folder=../birds,food101=food"}, "must be relative and stay inside"),
    ("no source of that name", {"source": "folder=birds,foods=food"}, "'foods' is no source"),
)
def test_several_data_sets_that_cannot_be(how, out, two):
    options = {"source": "folder=birds,food101=food", "texts": str(two / "texts"), **how}
    with pytest.raises(UserError, match=out):
        build("frow", root=two, out=two / "out", options=options)
    assert not (two / "out" / "FROW").exists() or not asked(two / "out")
