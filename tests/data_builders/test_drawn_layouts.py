"""A law for every layout in data_builders/drawn/layouts: what was drawn is what the data set's reader reads."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_builders.build import build
from data_builders.drawn import layouts
from data_builders.drawn.miniature import CREATURES, Miniature, Shot
from data_builders.drawn.taxonomy import all_species
from data_builders.drawn.worlds.table import DOMAINS
from data_builders.shared.pictures import open_image
from data_builders.sources import SOURCE_NAMES, about, load_source

# A module per source; found, not listed, so that a new layout is under the law at once.
LAYOUTS = sorted(path.stem for path in Path(layouts.__file__).parent.glob("[a-z]*.py"))
OPTIONS = {"train_images_per_species": 2, "test_images_per_species": 1, "pixels": 32}
GENERA = {species.genus for species in all_species()}


@pytest.fixture(scope="module", params=LAYOUTS)
def drawn(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    build("drawn", root=None, out=folder / "drawn", options={**OPTIONS, "source": request.param})
    return request.param, folder


@pytest.fixture(scope="module")
def source(drawn):
    name, folder = drawn
    return load_source(name, folder / "drawn")


def labels_of(row):
    return row.labels or (row.category,)


def shown(name):
    return DOMAINS.get(name, CREATURES)


def texts(folder):
    return {path.stem: path.read_text() for path in (folder / "drawn").rglob("texts/*.txt")}


def test_a_layout_belongs_to_a_source_that_says_what_it_is(drawn):
    name, _ = drawn
    assert name in SOURCE_NAMES
    assert all(vars(about(name)).values())


def test_each_category_has_the_drawn_number_of_images(drawn, source):
    count = len(shown(drawn[0]).categories)
    found = Counter((label, row.split) for row in source.images for label in labels_of(row))
    splits = {row.split for row in source.images}
    if splits == {"train"}:  # a set of one picture of each class
        assert set(found.values()) == {1}
        assert len(found) == 32
        return
    assert {"train", "test"} <= splits <= {"train", "val", "test"}
    if source.multi_label:  # a label is borne by several species
        pictures = Counter(row.split for row in source.images)
        assert pictures == {split: 64 if split == "train" else 32 for split in splits}
        return
    categories = {label for label, _ in found}
    assert len(categories) == count
    assert found == {(label, split): 2 if split == "train" else 1 for label in categories for split in splits}
    assert len({row.image for row in source.images}) == len(source.images)


def test_every_image_opens_and_holds_its_box(source):
    # One of four, as they are alike; every box.
    for number, row in enumerate(source.images):
        if row.box is None and number % 4:
            continue
        width, height = open_image(source.root / row.image).size
        if row.box is not None:
            x, y, w, h = row.box
            assert x >= 0
            assert y >= 0
            assert 8 < w <= width - x + 0.11
            assert 8 < h <= height - y + 0.11


def test_boxes_are_given_for_all_or_none(source):
    assert len({row.box is None for row in source.images}) == 1


def test_the_members_of_a_group_are_siblings(drawn, source):
    if len(source.levels) < 2 or source.multi_label:
        pytest.skip("one level")
    if drawn[0] in DOMAINS:
        groups = {one.name: one.group for one in DOMAINS[drawn[0]].categories}
        for category, own in groups.items():
            siblings = source.siblings(source.finest, category)
            assert {*siblings, category} == {other for other in groups if groups[other] == own}
        return
    # Which genus a category is drawn from is told by its text alone.
    genus = {}
    for category, text in texts(drawn[1]).items():
        (genus[category],) = GENERA & set(re.findall(r"\w+", text.split(". ")[0].replace(category, "")))
    parents = {row.parents[source.levels[-2].name] for row in source.images}
    assert len(parents) > 1
    for category, own in genus.items():
        siblings = source.siblings(source.finest, category)
        assert {other for other in genus if genus[other] == own} <= {category, *siblings}
        if len(parents) == len(GENERA):  # elsewhere a parent has several genera
            assert len(siblings) == 3


def test_a_picture_shows_what_its_category_and_split_say(drawn, source):
    if source.multi_label:
        pytest.skip("a label is borne by several species")
    world = shown(drawn[0])
    looks = {world.text(one).replace(one.name, "?"): one for one in world.categories}
    mini = Miniature(Path(), f"0/{drawn[0]}", 32, {}, shown=world)
    species = {category: looks[text.strip().replace(category, "?")] for category, text in texts(drawn[1]).items()}
    first = {}
    for row in source.images:
        first.setdefault((row.category, row.split), row)
    for (category, split), row in first.items():
        read = np.asarray(open_image(source.root / row.image)).astype(int)
        shots = [mini.drawing(Shot(species[category], split, number)).image for number in range(2)]
        # JPEG loses a little; another pose or another creature differs by far more.
        assert min(abs(read - np.asarray(shot)).mean() for shot in shots) < 8


def test_every_category_has_a_text_that_names_it(drawn, source):
    found = texts(drawn[1])
    assert set(found) == set(source.labels(source.finest))
    for category, text in found.items():
        assert category in text
    assert len(set(found.values())) == len(found)


def test_the_same_options_give_the_same_bytes_at_any_time(drawn, monkeypatch):
    name, folder = drawn
    monkeypatch.setattr("time.asctime", lambda *moment: "Thu Jan  1 00:00:00 1970")
    build("drawn", root=None, out=folder / "again" / "drawn", options={**OPTIONS, "source": name})

    def files(top):
        found = {path.relative_to(top): path for path in top.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if name.name != ".built.json"}  # it holds times

    assert files(folder / "again" / "drawn") == files(folder / "drawn")


def test_lists_can_be_read_where_the_pictures_are_not(drawn, source):
    name, folder = drawn
    assert load_source(name, folder / "drawn", look_for_images=False).images == source.images
