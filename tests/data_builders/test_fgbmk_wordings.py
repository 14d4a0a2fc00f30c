"""The same questions in every wording: only the wording differs."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from question_texts import asked_label, options_of
from small_sources import make_cub

from data_builders.build import build
from data_builders.records import read_rows
from data_builders.shared.files import read_json, read_jsonl

HUMAN = Path("FG-BMK/human-oriented")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    counts = {"train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    build("drawn", root=None, out=root, options={"source": "cub", **counts})
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory, drawn):
    """Drawn birds asked about in hierarchy and in every wording: {4: folder, 10: folder}."""
    made = {}
    for count in (4, 10):
        made[count] = tmp_path_factory.mktemp(f"wordings{count}")
        options = {"source": "cub", "tracks": "hierarchy,attributes,wordings", "wordings": count}
        build("fgbmk", root=drawn, out=made[count], options=options)
    return made


def by_question(path):
    found = defaultdict(dict)
    for row in read_jsonl(path):
        question, wording = row["question_id"].split("/")
        found[question][int(wording)] = row
    return found


@pytest.mark.parametrize("count", [4, 10])
def test_every_question_is_asked_in_every_wording_and_in_nothing_else_another(folders, count):
    files = sorted((folders[count] / HUMAN / "wordings").rglob("*_question_*.jsonl"))
    kinds = {(path.parent.name, path.stem.split("_question_")[1]) for path in files}
    attributes = {("attributes", "choice"), ("attributes", "true_false")} if count == 10 else set()
    asked = {(level, kind) for level in ("class", "genus", "species") for kind in ("choice", "true_false")}
    assert kinds - {("class", "choice")} == (asked | attributes | {("species", "short_answer")}) - {("class", "choice")}
    for path in files:
        questions = by_question(path)
        assert len(questions) == len(set(questions)) >= 32
        for together in questions.values():
            assert sorted(together) == list(range(1, count + 1))
            rows = [together[which] for which in sorted(together)]
            assert len({row["text"] for row in rows}) == count
            assert len({(row["image"], row["class"], row["category"]) for row in rows}) == 1
            assert len({tuple(options_of(row["text"])) for row in rows if "following list" in row["text"]}) <= 1
            if "true_false" in path.name and path.parent.name != "attributes":
                assert len({asked_label(row["text"]) for row in rows}) == 1


@pytest.mark.parametrize("count", [4, 10])
def test_they_are_the_questions_of_hierarchy(folders, count):
    """Each of hierarchy's questions stands among its wordings, with the same number, answer and options."""
    track = folders[count] / HUMAN / "hierarchical_granularity_recognition"
    for path in sorted(track.rglob("*_question_*.jsonl")):
        twin = HUMAN / "wordings" / path.relative_to(track).as_posix().replace("true_flase", "true_false")
        questions = by_question(folders[count] / twin)
        rows = list(read_jsonl(path))
        assert len(rows) == len(questions)
        for row in rows:
            same = {one["text"]: one for one in questions[str(row["question_id"])].values()}[row["text"]]
            assert {**same, "question_id": row["question_id"]} == row


def test_attribute_questions_are_those_of_the_track_in_ten_wordings(folders):
    track = list(read_jsonl(folders[10] / HUMAN / "attribute_recognition/cub_attribute_questions.jsonl"))
    for kind in ("choice", "true_false"):
        questions = by_question(folders[10] / HUMAN / f"wordings/cub/attributes/attributes_question_{kind}.jsonl")
        rows = [row for row in track if ("following list" in row["text"]) == (kind == "choice")]
        assert len(rows) == len(questions)
        for row, together in zip(rows, questions.values(), strict=True):
            assert row["text"] in {one["text"] for one in together.values()}
            assert {one["class"] for one in together.values()} == {row["class"]}


def test_four_wordings_are_the_first_four_of_ten(folders):
    path = HUMAN / "wordings/cub/species/species_question_choice.jsonl"
    four, ten = (by_question(folders[count] / path) for count in (4, 10))
    assert four == {question: {w: row for w, row in rows.items() if w <= 4} for question, rows in ten.items()}
    leads = {re.split(r" Choose one", rows[1]["text"])[0] for rows in four.values()}
    assert leads == {f"What is the species of the {meta} in this image?" for meta in ("bird", "fish")}


def test_a_kind_that_attributes_do_not_have_leaves_them_out(drawn, tmp_path):
    options = {"source": "cub", "tracks": "wordings", "wordings": 10, "levels": "species", "kinds": "short_answer"}
    build("fgbmk", root=drawn, out=tmp_path, options=options)
    (path,) = (tmp_path / HUMAN / "wordings").rglob("*_question_*.jsonl")
    assert path.name == "species_question_short_answer.jsonl"


def test_a_data_set_of_one_image_a_category_is_asked_alike(tmp_path):
    build(
        "fgbmk",
        root=make_cub(tmp_path / "cub"),
        out=tmp_path / "out",
        options={"source": "cub", "tracks": "wordings", "kinds": "short_answer"},
    )
    rows = by_question(tmp_path / "out" / HUMAN / "wordings/cub/species/species_question_short_answer.jsonl")
    assert rows
    assert all(len(one) == 4 for one in rows.values())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_training_rows_are_asked_in_so_many_wordings(tmp_path, count):
    root = make_cub(tmp_path / "cub")
    build("short_answer", root=root, out=tmp_path / "some", options={"source": "cub", "wordings": count})
    build("short_answer", root=root, out=tmp_path / "all", options={"source": "cub"})
    some, every = (list(read_rows(tmp_path / name)) for name in ("some", "all"))
    asked = {re.sub(r"the \w+|this \w+", "it", row["conversations"][0]["value"]) for row in some}
    assert len(asked) <= count
    assert [row["conversations"][1] for row in some] == [row["conversations"][1] for row in every]
    assert "wordings" not in read_json(tmp_path / "all" / "manifest.json")["options"]
    assert read_json(tmp_path / "some" / "manifest.json")["options"]["wordings"] == count
