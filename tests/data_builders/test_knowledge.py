"""Questions without a picture: each has one right option, and it is what the data set says of its categories."""

import json

import pytest

from data_builders.__main__ import main
from data_builders.build import build
from data_builders.class_facts import HAS, LACKS, class_facts
from data_builders.shared.errors import UserError
from data_builders.sources import load_source
from evaluation.tasks.load import load_tasks


def drawn(folder, **options):
    small = {"pixels": 32, "train_images_per_species": 1, "test_images_per_species": 1, "general_train": 4}
    build("drawn", root=None, out=folder, options={**small, "general_test": 4, **options})
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("world"))


def test_only_the_answer_has_the_value_and_siblings_are_asked_about_first(world, tmp_path):
    root = world / "CUB_200_2011"
    main(["knowledge", "--root", str(root), "--out", str(tmp_path), "--source", "cub", "--dataset", "drawn"])
    [task] = load_tasks(["knowledge"], [tmp_path])
    assert (task.name, task.kind, task.group, task.cluster) == ("knowledge/drawn", "choice", "beside", "category")
    source = load_source("cub", root)
    facts, siblings = class_facts(source), 0
    rows = [json.loads(line) for line in task.source.read_text().splitlines()]
    for item, row in zip(task.items, rows, strict=True):
        assert item.image_path is None
        fact = (row["attribute"], row["value"])
        have = {name: facts[name].get(fact, 0.0) for name in item.options}
        assert len(item.options) == 4
        assert have.pop(item.gold) >= HAS
        assert max(have.values()) <= LACKS
        assert row["value"] in item.question
        siblings += len(set(have) & set(source.siblings(source.finest, item.gold)))
    assert {item.category for item in task.items} == set(source.labels(source.finest))
    assert siblings > len(rows)  # more than one sibling a question, where three of 31 others would be a sibling by luck
    places = [item.options.index(item.gold) for item in task.items]
    assert min(map(places.count, range(4))) > len(rows) / 8


def test_other_data_sets_know_what_their_pictures_show(tmp_path):
    world = drawn(tmp_path / "world", source="deepfashion")
    facts = class_facts(load_source("deepfashion", world))
    assert all(0 <= share <= 1 for known in facts.values() for share in known.values())
    plain = drawn(tmp_path / "plain", source="food101")
    with pytest.raises(UserError, match="has no attributes, so nothing is known of its categories"):
        build("knowledge", root=plain, out=tmp_path / "knowledge", options={"source": "food101"})
