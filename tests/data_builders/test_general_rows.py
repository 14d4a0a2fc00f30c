"""What is said of the general benchmarks' rows and lists that cannot be right, and what right ones become."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from general_forms import general, rows_of
from PIL import Image

from data_builders.general import images as image_module
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

BAD_ROWS = [
    ("chartqa", {"label": ""}, "row 2: label is ''"),
    ("chartqa", {"label": None}, "row 2: label is None"),
    ("chartqa", {"query": 5}, "row 2: query is 5"),
    ("chartqa", {"imgname": "../../secret.png"}, "row 2: image path .* must be relative"),
    ("chartqa", {"imgname": "/etc/motd.png"}, "row 2: image path .* must be relative"),
    ("chartqa", {"imgname": "absent.png"}, r"row 2: no image absent\.png in .*png"),
    ("docvqa", {"answers": []}, "row 2: no answer in 'answers'"),
    ("docvqa", {"answers": "one"}, "row 2: answers is 'one'"),
    ("docvqa", {"questionId": 50_000}, r"row 2: question 50000 was already in .*row 1"),
    ("docvqa", {"questionId": "x"}, "row 2: questionId is 'x'; it must be a whole number"),
    ("infovqa", {"image_local_name": None}, "row 2: image_local_name is None"),
    ("pope", {"label": "maybe"}, "row 2: the answer is 'maybe'; it must be yes or no"),
    ("pope", {"question_id": 1}, "question 'random/1' was already in"),
    ("mathvista", {"answer": "perhaps"}, "problem 2: the answer 'perhaps' is none of the choices"),
    ("mathvista", {"question_type": "essay"}, "problem 2: question_type 'essay'"),
    ("mathvista", {"metadata": None}, "problem 2, metadata: expected a JSON object"),
    ("ai2d", {"correctAnswer": 9}, "the answer is option 9, counted from 0, of 4"),
    ("ai2d", {"answerTexts": ["one"]}, "1 options; a question has 2 to 26"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD_ROWS)
def test_a_bad_row_is_named(originals, name, change, message, tmp_path):
    root = shutil.copytree(originals[name][0], tmp_path / name)
    if name == "pope":
        path = root / "output" / "coco" / "coco_pope_random.json"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[1] |= change
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path = {
            "ai2d": root / "ai2d" / "questions" / "2.png.json",
            "chartqa": root / "ChartQA Dataset" / "test" / "test_human.json",
            "docvqa": root / "spdocvqa_qas" / "val_v1.0_withQT.json",
            "infovqa": root / "infographicsvqa_qas" / "infographicsVQA_val_v1.0_withQT.json",
            "mathvista": root / "data" / "testmini.json",
        }[name]
        whole = read_json(path)
        rows = whole["questions"] if name == "ai2d" else whole.get("data", whole) if isinstance(whole, dict) else whole
        row = rows[1] if isinstance(rows, list) else list(rows.values())[1]
        row |= change
        path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=message) as caught:
        general(name, root, tmp_path / "out")
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [("chartqa", "ChartQA Dataset/test/test_augmented.json"), ("pope", "output/coco/coco_pope_popular.json")],
)
def test_a_missing_part_is_named(originals, name, file, tmp_path):
    root = shutil.copytree(originals[name][0], tmp_path / name)
    (root / file).unlink()
    with pytest.raises(UserError, match=Path(file).name):
        general(name, root, tmp_path / "out", allow_partial=False)
    assert general(name, root, tmp_path / "out")["rows"] > 0


def test_ai2d_needs_the_list_of_its_test_images_and_leaves_the_others_out(originals, tmp_path):
    root = shutil.copytree(originals["ai2d"][0], tmp_path / "ai2d")
    asked = {row["question_id"].split(".")[0] for row in rows_of(originals["ai2d"][1], "ai2d")}
    assert asked == set((root / "ai2d_test_ids.csv").read_text().split())
    (root / "ai2d_test_ids.csv").write_text("2\nx\n")
    with pytest.raises(UserError, match=r"ai2d_test_ids\.csv, line 2: 'x'"):
        general("ai2d", root, tmp_path / "out")
    (root / "ai2d_test_ids.csv").unlink()
    with pytest.raises(UserError, match=r"no ai2d_test_ids\.csv or .*download"):
        general("ai2d", root, tmp_path / "out")


def test_ai2d_answers_are_the_letters_of_the_right_options(originals):
    root, out = originals["ai2d"]
    letters = set()
    for row in rows_of(out, "ai2d"):
        number = row["question_id"].split(".")[0]
        about = read_json(root / "ai2d" / "questions" / f"{number}.png.json")["questions"][row["parts"]["question"]]
        assert row["options"][ord(row["answer"]) - ord("A")] == about["answerTexts"][about["correctAnswer"]]
        letters.add(row["answer"])
    assert len(letters) > 1


def test_ai2d_letters_stand_in_the_place_of_the_words_and_nowhere_else(originals):
    root, out = originals["ai2d"]
    for row in rows_of(out, "ai2d"):
        number = row["question_id"].split(".")[0]
        plain = root / "ai2d" / "images" / f"{number}.png"
        shown = out / "general" / "ai2d" / row["image"]
        if not row["abc_label"]:
            assert shown.read_bytes() == plain.read_bytes()
            continue
        before, after = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (plain, shown))
        inside = np.zeros(before.shape[:2], bool)
        for text in read_json(root / "ai2d" / "annotations" / f"{number}.png.json")["text"].values():
            (left, top), (right, bottom) = text["rectangle"]
            box = slice(top, bottom + 1), slice(left, right + 1)
            inside[box] = True
            assert (after[box] == 255).all(axis=2).mean() > 0.4  # white
            assert (after[box] < 90).all(axis=2).any()  # with a letter
        assert (before == after).all(axis=2)[~inside].mean() > 0.98  # a letter may be larger than a flat word


def test_original_images_are_linked_unless_copies_are_asked_for(originals, tmp_path):
    root, out = originals["docvqa"]
    row = rows_of(out, "docvqa")[0]
    page = root / "spdocvqa_images" / row["image"].removeprefix("images/")
    assert os.path.samefile(page, out / "general" / "docvqa" / row["image"])
    general("docvqa", root, tmp_path / "copied", copy_images=True)
    copy = tmp_path / "copied" / "general" / "docvqa" / row["image"]
    assert copy.read_bytes() == page.read_bytes()
    assert not os.path.samefile(page, copy)
    # The same without hard links: another file system.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_module.os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "cross-device link")))
        general("docvqa", root, tmp_path / "far")
    assert (tmp_path / "far" / "general" / "docvqa" / row["image"]).read_bytes() == page.read_bytes()


def test_a_tree_of_symbolic_links_gives_files(originals, tmp_path):
    root = shutil.copytree(originals["chartqa"][0], tmp_path / "blobs")
    for path in [path for path in root.rglob("*.png") if path.is_file()]:
        link = tmp_path / "tree" / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    for path in root.rglob("test_*.json"):
        shutil.copy(path, tmp_path / "tree" / path.relative_to(root))
    general("chartqa", tmp_path / "tree", tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_images_may_lie_elsewhere(originals, tmp_path):
    root = shutil.copytree(originals["pope"][0], tmp_path / "pope")
    (root / "val2014").rename(tmp_path / "coco images")
    with pytest.raises(UserError, match=r"no image COCO_val2014_000000000001\.jpg in .*--images DIR"):
        general("pope", root, tmp_path / "out")
    with pytest.raises(UserError, match="is no folder"):
        general("pope", root, tmp_path / "out", images=str(tmp_path / "nowhere"))
    manifest = general("pope", root, tmp_path / "out", images=str(tmp_path / "coco images"))
    assert manifest["images"] == 5
