"""Preferences: the right name chosen, a sibling's rejected, or what a model itself has answered wrongly."""

import json
from pathlib import Path

import pytest

from data_builders.build import build
from data_builders.records import check_row, conversation, images_of, read_rows
from data_builders.shared.errors import UserError
from data_builders.sources import Source, load_source

PAIR = {"id": "1", "image": "a.jpg", "conversations": conversation("What?", "a")[:1], "chosen": "a", "rejected": "b"}


@pytest.fixture(scope="module")
def cub(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cub") / "data"
    drawn = {"source": "cub", "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 1}
    build("drawn", root=None, out=root, options=drawn)
    return root


def built(root: Path, out: Path, **options: object) -> list[dict]:
    build("preferences", root=root, out=out, options={"source": "cub", **options})
    return list(read_rows(out))


def names(source: Source, image: str) -> set[str]:
    (row,) = [row for row in source.images if row.image == image]
    return {source.label(row, level) for level in source.levels}


def test_a_name_is_preferred_to_its_siblings(cub, tmp_path):
    source = load_source("cub", cub)
    rows = built(cub, tmp_path / "out")
    assert {image for row in rows for image in images_of(row)} == {one.image for one in source.split("trainval")}
    with_siblings = 0
    for row in rows:
        assert row["chosen"] == row["category"]
        siblings = source.siblings(source.finest, row["chosen"])
        assert row["rejected"] in (siblings or source.labels(source.finest))
        with_siblings += bool(siblings)
        assert [turn["from"] for turn in row["conversations"]] == ["human"]
    assert with_siblings
    assert built(cub, tmp_path / "again") == rows
    assert built(cub, tmp_path / "other", seed=1) != rows


def test_each_kind_of_question_has_a_wrong_answer_of_its_own(cub, tmp_path):
    asked = {"kinds": "true_false,choice", "levels": "all", "per_kind": 2, "max_images_per_class": 1}
    yes = 0
    for row in built(cub, tmp_path / "out", **asked):
        if "true_false" in row["id"]:
            assert {row["chosen"], row["rejected"]} == {"yes", "no"}
            yes += row["chosen"] == "yes"
        else:
            assert row["chosen"] != row["rejected"]
            assert all(one in row["conversations"][0]["value"] for one in (row["chosen"], row["rejected"]))
    assert yes


def answers(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_models_own_wrong_answers_are_rejected(cub, tmp_path):
    source = load_source("cub", cub)
    train, test = source.split("trainval"), source.split("test")

    def answer(row, text: str, gold: str | None = None) -> dict:
        return {"image": row.image, "question": "Which?", "gold": gold or row.category, "answer": text}

    held, *others = source.labels(source.finest)
    shown = [row for row in train if row.category != held]
    given = [
        answer(shown[0], "A nice BIRD "),
        answer(shown[1], f"It is a {shown[1].category}."),
        answer(shown[2], held),
        answer(shown[3], " "),
        answer(next(row for row in train if row.category == held), "a bird"),
    ]
    file = answers(tmp_path / "answers.jsonl", given)
    (tmp_path / "held.txt").write_text(f"{held}\n")
    found = built(cub, tmp_path / "out", answers=file, categories={"hold_out": str(tmp_path / "held.txt")})
    assert [(row["image"], row["rejected"]) for row in found] == [(shown[0].image, "A nice BIRD")]
    assert len(built(cub, tmp_path / "all", answers=file)) == 3  # with nothing held out, that name is wrong, too
    for faulty, told in (
        ([answer(test[0], "a bird")], "is no trainval picture of cub.*leak them into training"),
        ([answer(train[0], "a bird", gold=next(one for one in others if one not in names(source, train[0].image)))],
         "is no name of the picture"),
        ([answer(train[0], train[0].category)], "has no wrong answer"),
        ([{"image": train[0].image}], "no answer about a picture"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            built(cub, tmp_path / "never", answers=answers(tmp_path / "faulty.jsonl", faulty))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rejected": None}, "rejected is None; a preference has two answers"),
        ({"chosen": " "}, "chosen is ' '; a preference has two answers"),
        ({"rejected": " a "}, "chosen and rejected are both 'a'"),
        ({"conversations": conversation("What?", "a")}, "must end with the question"),
        ({"turns": "independent"}, "turns does not go with chosen and rejected"),
        ({"mosaic": {}}, "mosaic does not go with chosen and rejected"),
    ],
)
def test_half_a_preference_is_refused(change, told):
    check_row(PAIR, "set")
    with pytest.raises(UserError, match=told):
        check_row(PAIR | change, "set")
