import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from data_builders.build import build
from data_builders.built_from import RECORD
from data_builders.drawn.creatures import draw_creature
from data_builders.drawn.skills import KINDS, SHAPES, make, paint
from data_builders.drawn.taxonomy import ATTRIBUTES, COLORS, all_species
from data_builders.records import Manifest, read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.shared.seeding import draw
from data_builders.sources import load_source

SMALL = {"train_images_per_species": 2, "test_images_per_species": 1, "general_train": 30, "general_test": 24}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "world"
    build("drawn", root=None, out=folder, options={**SMALL, "processes": 2})
    return folder


def files(folder):
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != RECORD)  # which holds times
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def test_siblings_differ_in_one_or_two_details_and_genera_fix_the_rest():
    species = all_species()
    assert len({one.look for one in species}) == len({one.name for one in species}) == 32
    for one in species:
        look = one.look.attributes()
        assert one.name.split()[-1] == one.genus
        assert look["body color"] not in (look["crown color"], look["wing color"])
        for other in species:
            if other.genus == one.genus and other != one:
                differ = {name for name in ATTRIBUTES if look[name] != other.look.attributes()[name]}
                assert 1 <= len(differ) <= 2
                assert differ <= {"crown color", "wing color", "belly pattern"}


def test_siblings_can_be_told_apart_in_pixels():
    # The same pose and light: what differs is the detail alone, and it must be large enough to survive 64 pixels.
    species = all_species()
    for first in range(0, 32, 4):
        pictures = [
            np.asarray(draw_creature(one.look, draw(5), 64).image).astype(int) for one in species[first : first + 4]
        ]
        for one in range(4):
            for other in range(one):
                assert (abs(pictures[one] - pictures[other]).max(axis=2) > 60).sum() >= 40


def test_the_world_is_the_same_whoever_draws_it_and_after_an_interruption(world, tmp_path):
    alone = tmp_path / "world"
    build("drawn", root=None, out=alone, options={**SMALL, "processes": 1})
    assert files(alone) == files(world)
    kept = sorted((alone / "general/chart/images").iterdir())
    # As an interruption leaves it: the marker, some pictures, no manifest.
    options = Manifest.load(alone / "facts").options
    (alone / "manifest.json").unlink()
    from data_builders.builder_code import builder_code
    from data_builders.shared.build_marker import MARKER
    from data_builders.shared.files import write_json

    write_json(alone / MARKER, {"asked": options, "code": builder_code("drawn").hash})
    stamp = kept[0].stat().st_mtime_ns
    kept[1].unlink()
    build("drawn", root=None, out=alone, options={**SMALL, "processes": 1})
    assert files(alone) == files(world)
    assert kept[0].stat().st_mtime_ns == stamp


def test_other_peoples_folders_are_left_alone(tmp_path):
    mine = tmp_path / "CUB_200_2011" / "images.txt"
    mine.parent.mkdir()
    mine.write_text("1 a.jpg\n")
    with pytest.raises(UserError, match="not empty and holds no unfinished build"):
        build("drawn", root=None, out=tmp_path, options=SMALL)
    assert mine.read_text() == "1 a.jpg\n"


def test_species_lie_in_cubs_layout(world):
    source = load_source("cub", world / "CUB_200_2011")
    assert (len(source.split("train")), len(source.split("test"))) == (64, 32)
    assert [len(source.labels(level)) for level in source.levels] == [4, 8, 32]  # two classes and two no image bears
    for row, look in zip(source.split("test"), (one.look for one in all_species()), strict=True):
        assert row.attributes == look.attributes()
        assert row.parents["class"] == look.meta
        assert (world / "CUB_200_2011" / "texts" / f"{row.category}.txt").read_text().count(row.category) == 1
    boxes = [line.split() for line in (world / "CUB_200_2011/bounding_boxes.txt").read_text().splitlines()]
    for _, x, y, width, height in boxes:
        assert float(x) >= 0
        assert float(y) >= 0
        assert 20 < float(width) <= 64 - float(x) + 0.11
        assert 20 < float(height) <= 64 - float(y) + 0.11


@pytest.mark.parametrize("kind", KINDS)
def test_general_sets_and_questions_name_pictures_that_are_there(world, kind):
    folder = world / "general" / kind
    manifest = Manifest.load(folder / "train")
    trained = set()
    for row in read_rows(folder / "train"):
        assert (folder / "train" / manifest.image_root / row["image"]).is_file()
        assert len({turn["value"] for turn in row["conversations"][::2]}) == len(row["conversations"]) // 2
        trained.add(row["image"])
    questions = list(read_jsonl(folder / "questions.jsonl"))
    assert len(questions) == 24
    for row in questions:
        assert list(row) == ["question_id", "image", "question", "answer", "category"]
        assert row["image"] not in trained
        with Image.open(folder / row["image"]) as picture:
            assert picture.size == (64, 64)


def test_answers_are_balanced_where_guessing_would_pay():
    presence = Counter(make("presence", "test", number, 0).test.answer for number in range(100))
    assert presence == {"yes": 50, "no": 50}
    count = Counter(make("count", "test", number, 0).test.answer for number in range(60))
    assert count == {str(n): 10 for n in range(1, 7)}
    asked = Counter(make("attribute", "test", number, 0).test.category for number in range(60))
    assert asked == dict.fromkeys(ATTRIBUTES, 10)


def test_a_counts_parts_do_not_exceed_its_total():
    for number in range(50):
        total, *parts = make("count", "train", number, 0).train
        assert sum(int(part.answer) for part in parts) <= int(total.answer)


def test_presence_tells_what_is_in_the_picture():
    for number in range(20):
        example = make("presence", "train", number, 3)
        pixels = np.asarray(paint("presence", "train", number, 3, 96)).astype(int)
        for asked in example.train:
            color, shape = re.search(r"Is there an? (\w+) (\w+) in the image", asked.question).groups()
            assert shape in SHAPES
            near = (abs(pixels - COLORS[color]).max(axis=2) < 25).sum()
            if asked.answer == "yes":
                assert near > 300


def test_a_bars_height_is_its_value():
    for number in range(20):
        pixels = np.asarray(paint("chart", "train", number, 1, 100)).astype(int)
        for asked in make("chart", "train", number, 1).train:
            color = re.search(r"the (\w+) bar", asked.question)[1]
            rows = (abs(pixels - COLORS[color]).max(axis=2) < 40).sum(axis=1) >= 6
            assert round(rows.sum() / 10) == int(asked.answer)


def test_facts_are_text_only_and_true(world):
    looks = {one.name: one.look.attributes() for one in all_species()}
    named, told = Counter(), Counter()
    for row in read_rows(world / "facts"):
        assert "image" not in row
        assert "<image>" not in str(row["conversations"])
        if len(row["conversations"]) == 1:
            continue
        question, answer = (turn["value"] for turn in row["conversations"])
        if answer in looks:
            named[answer] += 1
            described = set(re.findall(r"(\w+) (body|crown|wing|tail|bill|belly)\b", question))
            assert described == {(value, name.split()[0]) for name, value in looks[answer].items()}
        elif found := re.fullmatch(r"What is the (\w+ \w+) of the (\w+ \w+)\?", question):
            assert looks[found[2]][found[1]] == answer
        elif found := re.match(r"Is the (\w+ \w+) of the (\w+ \w+) (\w+)\?", question):
            told[answer] += 1
            assert (looks[found[2]][found[1]] == found[3]) == (answer == "yes")
    assert set(named) == set(looks)
    assert told["yes"] == told["no"] > 0


def test_the_vocabulary_stays_small(world, tmp_path):
    cub = world / "CUB_200_2011"
    build("fgbmk", root=cub, out=world, options={"source": "cub", "dataset": "drawn"})
    for what in ("short_answer", "questions", "caption", "mosaic"):
        build(what, root=cub, out=tmp_path / what, options={"source": "cub"})
    text = " ".join(
        path.read_text() for path in [*world.rglob("*.txt"), *world.rglob("texts/*")] if "texts" in str(path)
    )
    for path in [*world.rglob("*.jsonl"), *tmp_path.rglob("*.jsonl")]:
        for row in read_jsonl(path):
            text += " ".join(turn["value"] for turn in row.get("conversations", []))
            text += " ".join(str(row.get(key, "")) for key in ("text", "question", "answer", "class")) + " "
    words = set(re.findall(r"\w+|[^\w\s]", text.lower()))
    assert 120 < len(words) < 220


def test_no_test_chart_shows_what_a_training_chart_shows():
    trained = {make("chart", "train", number, 0).content for number in range(2000)}
    plain = [make("chart", "test", number, 0).content for number in range(200)]
    kept_out = [make("chart", "test", number, 0, 2000).content for number in range(200)]
    assert trained & set(plain)  # by chance alone some do
    assert not trained & set(kept_out)
    assert sum(one == other for one, other in zip(plain, kept_out, strict=True)) > 150  # the others stay as they were
