"""Laws of the drawn benchmarks: they can be told from the pictures, and are the same bytes whenever they are drawn."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from data_builders.build import build
from data_builders.drawn import benchmarks
from data_builders.drawn.builder import BENCHMARKS
from data_builders.drawn.taxonomy import COLORS
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.shared.pictures import open_image

PICTURES, PIXELS = 6, 96


def drawn(benchmark, out, **more):
    options = {"source": benchmark, "test_images_per_species": PICTURES, "pixels": PIXELS, **more}
    build("drawn", root=None, out=out, options=options)
    return out


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minis")
    return {name: drawn(name, folder / name) for name in BENCHMARKS}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def near(pixels, color, distance=40):
    """How much of the picture has the colour."""
    return (abs(pixels.astype(int) - COLORS[color]).max(axis=2) < distance).sum()


def test_every_benchmark_has_a_module_and_others_are_refused(tmp_path):
    modules = {path.stem for path in Path(benchmarks.__path__[0]).glob("[a-z]*.py")} - {"pages"}
    assert modules == set(BENCHMARKS)
    with pytest.raises(UserError, match=r"source is 'chart'; drawn has world, .*chartqa"):
        drawn("chart", tmp_path / "nowhere")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_same_seed_gives_the_same_bytes_and_another_other_pictures(minis, benchmark, tmp_path):
    again = contents(drawn(benchmark, tmp_path / "again"))
    first = contents(minis[benchmark])
    del again["manifest.json"], first["manifest.json"]  # it holds the folder's name
    assert again == first
    other = contents(drawn(benchmark, tmp_path / "other", seed=1))
    images = [name for name in first if name.endswith((".png", ".jpg", ".jpeg"))]
    assert len(images) >= PICTURES
    assert all(other[name] != first[name] for name in images)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_miniature_can_be_continued_after_it_was_interrupted(minis, benchmark, tmp_path, monkeypatch):
    whole = contents(minis[benchmark])
    module = __import__(f"data_builders.drawn.benchmarks.{benchmark}", fromlist=["write"])
    drawn_before = module.write_picture

    def interrupted(mini, name, number, *arguments):
        if number == 3:
            raise KeyboardInterrupt
        drawn_before(mini, name, number, *arguments)

    monkeypatch.setattr(module, "write_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drawn(benchmark, tmp_path / benchmark)
    monkeypatch.undo()
    assert contents(drawn(benchmark, tmp_path / benchmark)) == whole


def test_charts_say_what_the_bars_show(minis):
    folder = minis["chartqa"] / "ChartQA Dataset/test"

    def values(name):
        """color -> value, measured in the picture."""
        pixels = np.asarray(open_image(folder / "png" / name)).astype(int)
        heights = {
            color: ((abs(pixels - shade).max(axis=2) < 40).sum(axis=1) >= 6).sum()
            for color, shade in COLORS.items()
            if color != "white"
        }
        return {color: round(height / (PIXELS / 10)) for color, height in heights.items() if height > 3}

    for row in read_json(folder / "test_augmented.json"):
        assert values(row["imgname"])[re.search(r"the (\w+) bar", row["query"])[1]] == int(row["label"])
    for row in read_json(folder / "test_human.json"):
        shown = values(row["imgname"])
        if found := re.match(r"Is the (\w+) bar higher than the (\w+) bar", row["query"]):
            assert row["label"] == ("Yes" if shown[found[1]] > shown[found[2]] else "No")
        else:
            assert int(row["label"]) == max(shown.values()) - min(shown.values())


def test_pope_asks_about_what_is_there_and_as_often_about_what_is_not(minis):
    shown = defaultdict(set)
    splits = {}
    for split in ("random", "popular", "adversarial"):
        rows = splits[split] = list(read_jsonl(minis["pope"] / "output" / "coco" / f"coco_pope_{split}.json"))
        assert [row["question_id"] for row in rows] == list(range(1, 6 * PICTURES + 1))
        assert Counter(row["label"] for row in rows) == {"yes": 3 * PICTURES, "no": 3 * PICTURES}
        for row in rows:
            color, shape = re.search(r"an? (\w+) (\w+) in", row["text"]).groups()
            if row["label"] == "yes":
                shown[row["image"]].add((color, shape))
                assert near(np.asarray(open_image(minis["pope"] / "val2014" / row["image"])), color) > 200
    for split, rows in splits.items():
        for row in rows:
            pair = re.search(r"an? (\w+) (\w+) in", row["text"]).groups()
            assert (pair in shown[row["image"]]) == (row["label"] == "yes")
            if split == "adversarial" and row["label"] == "no":
                assert any((pair[0] == color) != (pair[1] == shape) for color, shape in shown[row["image"]])


def test_diagrams_say_where_their_words_stand(minis):
    root = minis["ai2d"]
    test = (root / "ai2d_test_ids.csv").read_text().split()
    everyone = {path.name.split(".")[0] for path in (root / "ai2d" / "questions").iterdir()}
    assert len(test) == PICTURES
    assert set(test) < everyone  # some diagrams are for training
    for number in everyone:
        pixels = np.asarray(open_image(root / "ai2d" / "images" / f"{number}.png")).astype(int)
        paper = pixels[0, 0]
        for text in read_json(root / "ai2d" / "annotations" / f"{number}.png.json")["text"].values():
            (left, top), (right, bottom) = text["rectangle"]
            inside = (abs(pixels - paper).max(axis=2) > 100)[top : bottom + 1, left : right + 1]
            assert inside.sum() > 10
            # The word ends where its rectangle does.
            border = (abs(pixels - paper).max(axis=2) > 100)[top - 2 : bottom + 3, [left - 2, right + 2]]
            assert not border.any()


def test_mathvista_has_every_kind_of_answer(minis):
    problems = read_json(minis["mathvista"] / "data" / "testmini.json").values()
    kinds = {(one["question_type"], one["answer_type"], one["precision"]) for one in problems}
    assert kinds == {
        ("free_form", "integer", None),
        ("free_form", "float", 1),
        ("free_form", "float", 2),
        ("free_form", "list", None),
        ("multi_choice", "text", None),
    }
    for one in problems:
        if one["answer_type"] == "float":
            assert one["answer"] == str(round(float(one["answer"]), one["precision"]))
        if one["answer_type"] == "list":
            assert all(1 <= value <= 9 for value in json.loads(one["answer"]))


@pytest.mark.parametrize(
    ("benchmark", "file", "images"),
    [
        ("docvqa", "spdocvqa_qas/val_v1.0_withQT.json", "spdocvqa_images"),
        ("infovqa", "infographicsvqa_qas/infographicsVQA_val_v1.0_withQT.json", "infographicsvqa_images"),
    ],
)
def test_documents_have_answers_and_pages(minis, benchmark, file, images):
    rows = read_json(minis[benchmark] / file)["data"]
    assert len(rows) == 3 * PICTURES
    assert len({row["questionId"] for row in rows}) == len(rows)
    for row in rows:
        assert row["answers"]
        name = row.get("image_local_name") or row["image"].removeprefix("documents/")
        assert open_image(minis[benchmark] / images / name).size == (PIXELS, PIXELS)
