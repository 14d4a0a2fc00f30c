"""Alignment rows whose text is as fine, or as coarse, as asked for."""

from collections import Counter

import pytest
from question_texts import pairs
from small_sources import make_grocery, picture

from data_builders.build import build
from data_builders.records import read_rows
from data_builders.shared.errors import UserError


def built(root, out, **options):
    build("caption_fg", root=root, out=out, options={"source": "cub", **options})
    return list(read_rows(out))


def test_the_row_reads_as_the_published_sample(cub, tmp_path):
    rows = built(cub, tmp_path / "out")
    found = {row["category"]: pairs(row) for row in rows}
    assert found["song sparrow"] == [("What is the object species?", "The object species is song sparrow.")]
    assert len(rows) == 14


def test_granularity_changes_the_name_and_nothing_else(cub, tmp_path):
    fine, coarse, genus = (
        built(cub, tmp_path / name, **{key: name})
        for key, name in (("granularity", "fine"), ("granularity", "coarse"), ("level", "genus"))
    )
    for rows, question in ((coarse, "class"), (genus, "genus")):
        for row, other in zip(fine, rows, strict=True):
            assert {**row, "conversations": None} == {**other, "conversations": None}
            [(asked, answer)] = pairs(other)
            assert asked == f"What is the object {question}?"
            name = row["category"].split()[-1] if question == "genus" else "aves"
            assert answer == f"The object {question} is {name}."


def test_mixed_is_fine_for_some_and_coarse_for_others(cub, tmp_path):
    fine = {row["image"]: pairs(row) for row in built(cub, tmp_path / "fine")}
    coarse = {row["image"]: pairs(row) for row in built(cub, tmp_path / "coarse", granularity="coarse")}
    kinds = Counter()
    for row in built(cub, tmp_path / "mixed", granularity="mixed"):
        assert pairs(row) in (fine[row["image"]], coarse[row["image"]])
        kinds[pairs(row) == fine[row["image"]]] += 1
    assert set(kinds) == {True, False}


def test_a_data_set_of_one_level_names_its_meta_class(tmp_path):
    build("drawn", root=None, out=tmp_path / "food", options={"source": "food101", "train_images_per_species": 1})
    rows = built(tmp_path / "food", tmp_path / "out", source="food101", granularity="coarse")
    assert {pair for row in rows for pair in pairs(row)} == {("What is the object?", "The object is a food.")}
    picture(tmp_path / "tree/jay/1.png")
    with pytest.raises(UserError, match="folder has one level of names and no meta-class"):
        built(tmp_path / "tree", tmp_path / "none", source="folder", granularity="coarse")


def test_level_and_granularity_are_not_given_both(cub, tmp_path):
    with pytest.raises(UserError, match="write one of the two"):
        built(cub, tmp_path / "out", level="genus", granularity="coarse")
    with pytest.raises(UserError, match="level is 'family'; cub has class, genus, species"):
        built(cub, tmp_path / "out", level="family")


def test_several_data_sets_lie_in_one_set(cub, tmp_path):
    make_grocery(tmp_path / "grocery")
    rows = built(tmp_path, tmp_path / "out", source="cub=cub,grocery=grocery")
    assert Counter(row["source"] for row in rows) == {"cub": 14, "grocery": 6}
    assert all((tmp_path / row["image"]).is_file() for row in rows)
