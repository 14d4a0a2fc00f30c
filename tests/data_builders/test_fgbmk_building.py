"""Where FG-BMK's files are written: several data sets and tracks in one folder, interrupted and repeated builds."""

import json
from pathlib import Path

import pytest
from small_sources import make_grocery

from data_builders.build import build, same_build
from data_builders.built_from import RECORD
from data_builders.fgbmk import builder
from data_builders.fgbmk_layout import dataset_of
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.sources import load_source

HUMAN = Path("FG-BMK/human-oriented")
TRACK = HUMAN / "hierarchical_granularity_recognition"
BIAS = HUMAN / "knowledge_bias_estimination"
ATTRIBUTES = HUMAN / "attribute_recognition"


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def test_two_data_sets_share_one_benchmark_folder(cub, tmp_path):
    grocery, out = make_grocery(tmp_path / "grocery"), tmp_path / "bench"
    build("fgbmk", root=cub, out=out, options={"source": "cub", "dataset": "small"})
    build("fgbmk", root=grocery, out=out, options={"source": "grocery"})
    roots = json.loads((out / "FG-BMK/images.json").read_text())
    assert set(roots) == {"small", "grocery"}
    row = next(read_jsonl(out / TRACK / "grocery/product/product_question_short_answer.jsonl"))
    assert (out / "FG-BMK" / roots["grocery"] / row["image"]).is_file()


def test_several_data_sets_at_once_are_as_one_after_the_other(cub, tmp_path):
    make_grocery(tmp_path / "grocery")
    tracks = {"tracks": "hierarchy,knowledge_bias"}
    several = {"source": "cub=cub, grocery=grocery", **tracks}
    manifest = build("fgbmk", root=tmp_path, out=tmp_path / "at_once", options=several)
    for name in ("cub", "grocery"):
        build("fgbmk", root=tmp_path / name, out=tmp_path / "in_turn", options={"source": name, **tracks})
    assert files_below(tmp_path / "at_once") == files_below(tmp_path / "in_turn")
    images = [read_json(tmp_path / folder / "FG-BMK/images.json") for folder in ("at_once", "in_turn")]
    assert images[0] == images[1]
    assert manifest["rows"] == sum(len(rows.splitlines()) for rows in files_below(tmp_path / "at_once").values())
    assert manifest["images"] == 14 + 6
    assert same_build(tmp_path / "at_once", "fgbmk", several, tmp_path)
    assert not same_build(tmp_path / "at_once", "fgbmk", {**several, "seed": 1}, tmp_path)
    with pytest.raises(UserError, match=r"no folder .*nowhere"):  # before anything is written
        build("fgbmk", root=tmp_path, out=tmp_path / "x", options={"source": "cub=cub,grocery=nowhere"})
    assert not (tmp_path / "x").exists()
    with pytest.raises(UserError, match="dataset is of one data set"):
        build("fgbmk", root=tmp_path, out=tmp_path / "x", options={**several, "dataset": "both"})


def test_all_or_the_finest_levels_of_several_data_sets_are_those_of_each(tmp_path):
    few = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    levels = {"aircraft": "manufacturer,family,variant", "cars": "make,category"}
    for name in levels:
        build("drawn", root=None, out=tmp_path / name, options={"source": name, **few})
    both = {"source": {name: name for name in levels}}
    build("fgbmk", root=tmp_path, out=tmp_path / "bench_all", options={**both, "levels": "all"})
    build("fgbmk", root=tmp_path, out=tmp_path / "bench_finest", options={**both, "levels": "finest"})
    rows = {}
    for word in ("all", "finest"):
        build("questions", root=tmp_path, out=tmp_path / "rows" / word, options={**both, "levels": word})
        rows[word] = list(read_rows(tmp_path / "rows" / word))
    for name, all_levels in levels.items():
        for word, named in (("all", all_levels), ("finest", all_levels.split(",")[-1])):
            alone = tmp_path / f"bench_{word}_{name}"
            build("fgbmk", root=tmp_path / name, out=alone, options={"source": name, "levels": named})
            found = files_below(tmp_path / f"bench_{word}" / TRACK / dataset_of(name))
            assert found == files_below(alone / TRACK / dataset_of(name))
            assert len(found) == 3 * len(named.split(","))
            build("questions", root=tmp_path / name, out=alone / "rows", options={"source": name, "levels": named})
            # Draws are by the picture's path, which has the folder's name before it.
            turns = [len(row["conversations"]) for row in rows[word] if row["source"] == name]
            assert turns == [len(row["conversations"]) for row in read_rows(alone / "rows")]
    with pytest.raises(UserError, match=r"levels is of one data set.*levels all or finest"):
        build("fgbmk", root=tmp_path, out=tmp_path / "no", options={**both, "levels": "make"})


def test_a_track_is_added_later_and_another_seed_is_refused(cub, tmp_path):
    build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub"})
    before = files_below(tmp_path / "out")
    both = {"source": "cub", "tracks": "hierarchy,knowledge_bias"}
    build("fgbmk", root=cub, out=tmp_path / "out", options=both)
    after = files_below(tmp_path / "out")
    assert before == {name: after[name] for name in before}
    assert len(after) == len(before) + 1
    with pytest.raises(UserError, match="seed was 0, is 1"):
        build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub", "seed": 1})
    with pytest.raises(UserError, match="seed was 0, is 1"):
        build("fgbmk", root=cub, out=tmp_path / "out", options={**both, "kinds": "true_false", "seed": 1})


def test_an_interrupted_build_goes_on(cub, tmp_path, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    options = {"source": "cub", "tracks": "hierarchy,knowledge_bias"}
    build("fgbmk", root=cub, out=tmp_path / "whole", options=options)
    with monkeypatch.context() as patched:
        patched.setattr(builder, "list_images", stop)
        with pytest.raises(KeyboardInterrupt):
            build("fgbmk", root=cub, out=tmp_path / "out", options=options)
    assert not same_build(tmp_path / "out", "fgbmk", options)
    (tmp_path / "out" / TRACK / "cub/class/.class_question_choice.jsonl.part").write_text("{")  # as a killed one leaves
    build("fgbmk", root=cub, out=tmp_path / "out", options=options)
    assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "out").rglob(".*")} <= {RECORD}


@pytest.mark.parametrize(
    ("name", "tracks"),
    [
        (TRACK / "cub/species/species_question_choice.jsonl", "hierarchy"),
        (BIAS / "cub/questions_true_false_all_class.jsonl", "knowledge_bias"),
        (ATTRIBUTES / "cub_attribute_questions.jsonl", "attributes"),
    ],
)
def test_published_question_files_are_not_overwritten(drawn, tmp_path, name, tracks):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("{}\n")
    with pytest.raises(UserError, match="did not write"):
        build("fgbmk", root=drawn, out=tmp_path, options={"source": "cub", "tracks": tracks})
    assert (tmp_path / name).read_text() == "{}\n"


def test_a_broken_test_image_stops_the_build_before_anything_is_written(cub, tmp_path):
    images = [row.image for row in load_source("cub", cub).split("test")]
    (cub / images[3]).write_bytes(b"<html>404</html>")
    with pytest.raises(UserError, match=f"an image cannot be used:\n  image {cub / images[3]} cannot be read"):
        build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub"})
    assert not (tmp_path / "out").exists()
    assert build("fgbmk", root=cub, out=tmp_path / "out", options={"source": "cub", "check": "none"})["rows"] == 7 * 14
