"""Laws of the drawn worlds: names of their own, texts true of the pictures, siblings that can be told apart."""

import re
from itertools import combinations

import numpy as np
import pytest

from data_builders.build import build
from data_builders.drawn.miniature import CREATURES
from data_builders.drawn.pose import photographed
from data_builders.drawn.worlds import facts, parts
from data_builders.drawn.worlds.domain import phrase
from data_builders.drawn.worlds.table import DOMAINS
from data_builders.records import read_rows
from data_builders.shared.files import read_jsonl
from data_builders.shared.seeding import draw

WORLDS = {"cub": CREATURES, **DOMAINS}
ONE_PICTURE = {"train_images_per_species": 1, "test_images_per_species": 1}
DOMAIN = pytest.mark.parametrize("domain", DOMAINS.values(), ids=list(DOMAINS))


def labels():
    """Source -> its categories' names and the labels above them."""
    found = {}
    for one in facts.everything():
        found.setdefault(one.source, set()).update((one.name, *one.parents.values()))
    return found


def pixels_of(world, category, number, side=64):
    image = world.draw(category, draw(0, "test", category.name, number), side).image
    return np.asarray(image).astype(np.float32)


def test_there_are_six_worlds_and_more_of_sixteen_categories_and_more():
    assert len(WORLDS) >= 6
    assert all(len(world.categories) >= 16 for world in WORLDS.values())


def test_no_name_of_a_world_is_in_a_name_of_another_nor_shares_a_word_with_it():
    found = labels()
    for one, other in combinations(found, 2):
        words = [
            {word for label in found[source] for word in re.findall(r"\w+", label.lower())} for source in (one, other)
        ]
        # "vegetable" is a word of the data set's own super-classes.
        assert not words[0] & words[1]
        for first in found[one]:
            for second in found[other]:
                assert first.lower() not in second.lower()
                assert second.lower() not in first.lower()


def test_no_category_is_named_within_another_of_its_world():
    for world in WORLDS.values():
        names = [one.name.lower() for one in world.categories]
        assert not [(a, b) for a in names for b in names if a != b and a in b]


@DOMAIN
def test_every_text_tells_the_looks_that_are_drawn_and_no_others(domain):
    for one in domain.categories:
        text = domain.text(one)
        assert one.name in text
        for attribute, values in domain.values.items():
            for value in values:
                told = re.search(rf"\b{phrase(attribute, value)}\b", text) is not None
                # A red plate and a red sauce are two phrases; a part that has two attributes tells both.
                assert told == (one.look[attribute] == value), (one.name, attribute, value)
        assert all(label in text for label in one.parents.values())


@DOMAIN
def test_every_value_of_every_attribute_can_be_seen(domain):
    """Two pictures in one pose that differ in one value differ in a part large enough to survive 64 pixels."""
    look = domain.categories[0].look
    for attribute, values in domain.values.items():
        for one, other in combinations(values, 2):
            pictures = []
            for value in (one, other):
                changed = look | {attribute: value}
                drawn = photographed(lambda canvas, seen=changed: domain.paint(canvas, seen), draw(3), 64)
                pictures.append(np.asarray(drawn.image).astype(int))
            changed = (abs(pictures[0] - pictures[1]).max(axis=2) > 40).sum()
            assert changed >= 30, (attribute, one, other, changed)


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
def test_siblings_are_told_apart_by_the_nearest_centre_of_few_pictures(world):
    """Far above the chance of half or a quarter, by nothing but small pictures in which flips are undone."""

    def features(category, numbers):
        pictures = np.stack([pixels_of(world, category, number, 32) for number in numbers])
        small = pictures.reshape(len(pictures), 16, 2, 16, 2, 3).mean((2, 4))
        return np.concatenate([small, small[:, :, ::-1]]).reshape(2 * len(pictures), -1)

    groups = {}
    for one in world.categories:
        groups.setdefault(getattr(one, "group", None) or one.genus, []).append(one)
    right = []
    for members in groups.values():
        known = [features(one, range(10)) for one in members]
        for place, one in enumerate(members):
            for seen in features(one, range(10, 13))[:3]:
                nearest = [np.linalg.norm(each - seen, axis=1).min() for each in known]
                right.append(nearest[place] == min(nearest))
    chance = np.mean([1 / len(groups[key]) for key in groups for _ in groups[key]])
    assert np.mean(right) > chance + 0.2


@DOMAIN
def test_a_picture_is_a_function_of_its_address_alone(domain):
    one, other = domain.categories[:2]
    first = pixels_of(domain, one, 0)
    pixels_of(domain, other, 5)
    assert (pixels_of(domain, one, 0) == first).all()
    assert (pixels_of(domain, one, 1) != first).any()


def test_all_worlds_facts_together_hold_no_contradiction(tmp_path):
    build("drawn", root=None, out=tmp_path / "worlds", options={"source": "worlds", "general_train": 4, "pixels": 32})
    answers = {}
    for row in read_rows(tmp_path / "worlds/facts"):
        turns = [turn["value"] for turn in row["conversations"]]
        for question, answer in zip(turns[::2], turns[1::2], strict=False):
            # The same parts in another order are the same question.
            key = tuple(sorted(re.findall(r"[\w-]+", question)))
            assert answers.setdefault(key, answer) == answer, question
    assert {"yes", "no"} < set(answers.values())
    assert {one.name for one in facts.everything()} < set(answers.values())


def test_creatures_attributes_are_asked_to_the_letter_as_the_benchmark_asks_and_half_are_true(tmp_path):
    few = {"general_train": 60, "pixels": 32}
    build("drawn", root=None, out=tmp_path / "worlds", options={"source": "worlds", "seed": 1, **few})
    build("drawn", root=None, out=tmp_path / "cub", options={"source": "cub", "pixels": 32, **ONE_PICTURE})
    build("fgbmk", root=tmp_path / "cub", out=tmp_path, options={"source": "cub", "tracks": "attributes"})
    tested = read_jsonl(tmp_path / "FG-BMK/human-oriented/attribute_recognition/cub_attribute_questions.jsonl")
    tested = {kind: {row["text"] for row in rows} for kind, rows in by_kind(tested).items()}

    turns = []
    for number, row in enumerate(read_rows(tmp_path / "worlds/parts/cub/fgbmk")):
        assert (tmp_path / "worlds/parts/cub" / row["image"]).is_file()
        right = parts.creature(number, 1).attributes()
        asked = [turn["value"].removeprefix("<image>").strip() for turn in row["conversations"]]
        for question, answer in zip(asked[::2], asked[1::2], strict=True):
            attribute = next(name for name in right if f" {name} of" in question)
            holds = right[attribute] in question.partition(" of the ")[2]
            assert answer == ("yes" if holds else "no") if question.startswith("Is") else answer == right[attribute]
            turns.append({"text": question, "class": answer})
    found = by_kind(turns)
    assert {row["text"] for row in found["choice"]} == tested["choice"]
    assert {re.sub(r"\w+\?$", "", row["text"]) for row in found["true_false"]} == {
        re.sub(r"\w+\?$", "", question) for question in tested["true_false"]
    }
    answers = [row["class"] for row in found["true_false"]]
    assert (len(found["choice"]), answers.count("yes"), answers.count("no")) == (90, 45, 45)


def by_kind(rows):
    found = {"true_false": [], "choice": []}
    for row in rows:
        closed = row["class"] in ("yes", "no")
        assert row["text"].startswith("Is ") == closed
        found["true_false" if closed else "choice"].append(row)
    return found


def test_half_of_the_statements_about_parts_are_true(tmp_path):
    build("drawn", root=None, out=tmp_path / "worlds", options={"source": "worlds", "general_train": 20, "pixels": 32})
    for source in DOMAINS:
        rows = list(read_rows(tmp_path / "worlds/parts" / source / "true_false"))
        answers = [turn["value"] for row in rows for turn in row["conversations"][1::2]]
        assert answers.count("yes") == answers.count("no") == 30
        assert all((tmp_path / "worlds/parts" / source / row["image"]).is_file() for row in rows)
