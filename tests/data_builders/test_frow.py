"""Laws of the FROW benchmark: a question and a test image per category, nothing named, a person has the last word."""

import pytest
from frow_fakes import NAMES, as_evaluation_reads, make, mark, questions, review

from data_builders.build import same_build
from data_builders.naming import named_in
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json


def test_one_question_and_one_test_image_per_category(cub, texts, tmp_path):
    out = tmp_path / "out"
    assert make(cub, texts, out)["rows"] == 7
    rows = questions(out)
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert list(row) == ["image", "name", "question", "ref_answer"]
        assert named_in(row["question"], [row["name"]]) is None
        assert named_in(row["ref_answer"], [row["name"]])
        assert row["question"].endswith("?")
        # numbers 0 and 1 are training images, 2 and 3 test images
        original = cub / row["image"].removeprefix("images/cub/")
        assert int(original.stem[-1]) >= 2
        assert (out / "FROW" / row["image"]).read_bytes() == original.read_bytes()
    assert read_json(out / "FROW" / "built" / "cub" / "manifest.json")["writer"] == "rules/1"


def test_evaluation_reads_it(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out", dataset="small")
    make(cub, texts, tmp_path / "out", dataset="linked", images="link")
    tasks = as_evaluation_reads(["frow"], [tmp_path / "out"])
    assert [task.name for task in tasks] == ["frow/linked", "frow/small"]
    for task in tasks:
        assert len(task.items) == 7
        assert all(item.image_path.is_file() for item in task.items)
    assert tasks[0].items[0].image_path.is_symlink()


def test_the_same_inputs_give_the_same_bytes(cub, texts, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(cub, texts, tmp_path / name, seed=seed)
    for file in ("cub_with_reference.jsonl", "cub_review.csv", "built/cub/manifest.json"):
        assert (tmp_path / "a" / "FROW" / file).read_bytes() == (tmp_path / "b" / "FROW" / file).read_bytes()
    assert questions(tmp_path / "a") != questions(tmp_path / "c")


def test_the_review_file_lists_all_drafts_and_is_followed(cub, texts, tmp_path):
    out, options = tmp_path / "out", {"source": "cub", "texts": str(texts)}
    make(cub, texts, out)
    before, rows = questions(out), review(out)
    assert {row["category"] for row in rows} == set(NAMES)
    assert sum(row["chosen"] == "yes" for row in rows) == 7
    assert all(row["chosen"] != "yes" or row["verdict"] == "keep" for row in rows)
    by_name = {name: [row for row in rows if row["category"] == name] for name in NAMES}
    chosen = {name: next(row for row in by_name[name] if row["chosen"]) for name in NAMES}
    chosen["red jay"]["decision"] = "replace"
    accepted = next(row for row in by_name["blue jay"] if not row["chosen"])
    accepted["decision"] = "Accept "
    by_name["stellers jay"][0]["new_question"] = "How old do these birds get?"
    by_name["stellers jay"][0]["new_answer"] = "Steller's jays live for sixteen years."
    chosen["fox sparrow"]["new_answer"] = "It is the fox sparrow, and that is all."
    mark(out, rows)

    assert not same_build(out, "frow", options, cub)
    make(cub, texts, out)
    after = {row["name"]: row for row in questions(out)}
    assert after["red jay"]["question"] != chosen["red jay"]["question"]
    assert after["blue jay"]["question"] == accepted["question"]
    assert after["stellers jay"]["question"] == "How old do these birds get?"
    assert after["stellers jay"]["ref_answer"] == "Steller's jays live for sixteen years."
    assert after["fox sparrow"]["question"] == chosen["fox sparrow"]["question"]
    assert after["fox sparrow"]["ref_answer"] == "It is the fox sparrow, and that is all."
    for row in before:  # nobody else's question or image moves
        assert after[row["name"]]["image"] == row["image"]
        if row["name"] in ("song sparrow", "winter wren", "mockingbird"):
            assert after[row["name"]] == row
    # the marks stay, and a further run has nothing to do
    assert [row["decision"] for row in review(out) if row["decision"]] == ["replace", "accept", "accept", "accept"]
    assert same_build(out, "frow", options, cub)
    kept = questions(out)
    make(cub, texts, out)
    assert questions(out) == kept


def test_a_spreadsheet_may_write_semicolons(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out")
    rows = review(tmp_path / "out")
    rows[0]["decision"], rows[0]["new_question"] = "accept", "Which forests; and where?"
    mark(tmp_path / "out", rows, delimiter=";")
    make(cub, texts, tmp_path / "out")
    assert questions(tmp_path / "out")[0]["question"] == "Which forests; and where?"
    assert questions(tmp_path / "out")[0]["ref_answer"].endswith("It lives in old forests.")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decision": "yes"}, r"line 2: decision is 'yes'; write accept, replace or nothing"),
        ({"new_question": "Is it a Red-Jay?"}, r"line 2: 'Is it a Red-Jay\?' names the category"),
        ({"decision": "accept", "question": "Why?"}, r"line 2: 'Why\?' is no draft of 'red jay'"),
        ({"decision": "accept", "category": "emu"}, "line 2: there is no category 'emu'"),
        ({"decision": "replace", "new_answer": "So."}, "replaced, and yet rewritten"),
    ],
)
def test_a_review_that_cannot_be_followed_is_named_and_nothing_changes(cub, texts, tmp_path, change, says):
    out = tmp_path / "out"
    make(cub, texts, out)
    before = questions(out)
    rows = review(out)
    rows[0].update(change)
    mark(out, rows)
    with pytest.raises(UserError, match=says):
        make(cub, texts, out)
    assert questions(out) == before
    assert review(out) == rows


def test_two_accepted_questions_of_one_category_are_an_error(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out")
    rows = review(tmp_path / "out")
    rows[0]["decision"] = rows[1]["decision"] = "accept"
    mark(tmp_path / "out", rows)
    with pytest.raises(UserError, match=r"line 2 and .*line 3 both accept a question of 'red jay'"):
        make(cub, texts, tmp_path / "out")


def test_a_category_without_a_question_left_waits_for_somebody(cub, texts, tmp_path):
    out = tmp_path / "out"
    make(cub, texts, out)
    rows = review(out)
    for row in rows:
        if row["category"] == "red jay":
            row["decision"] = "replace"
    mark(out, rows)
    with pytest.raises(
        UserError, match=r"1 categories have no draft that may be asked: red jay\. In .*cub_review\.csv"
    ):
        make(cub, texts, out)
    rows[0]["decision"] = "accept"
    mark(out, rows)
    make(cub, texts, out)
    assert questions(out)[0]["question"] == rows[0]["question"]


def test_other_peoples_files_are_not_overwritten(cub, texts, tmp_path):
    path = tmp_path / "out" / "FROW" / "cub_with_reference.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(UserError, match="was not written by this command"):
        make(cub, texts, tmp_path / "out")
    assert path.read_text() == "{}\n"


def test_a_broken_test_image_is_named(cub, texts, tmp_path):
    for path in cub.rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"image .*\.jpg cannot be read"):
        make(cub, texts, tmp_path / "out")
    assert not (tmp_path / "out" / "FROW" / "built" / "cub" / "manifest.json").exists()
