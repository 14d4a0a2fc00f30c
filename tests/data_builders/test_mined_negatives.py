"""Wrong names out of a file: the hardest of it, never the right name, and nothing that the set may not say."""

import json

import pytest
from question_texts import asked_label, options_of, pairs
from small_sources import make_cub

from data_builders.build import build
from data_builders.mined_negatives import read_mined
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.sources import load_source

HIERARCHY = "FG-BMK/human-oriented/hierarchical_granularity_recognition"


@pytest.fixture(scope="module")
def cub(tmp_path_factory):
    return make_cub(tmp_path_factory.mktemp("data") / "cub")


@pytest.fixture(scope="module")
def names(cub):
    source = load_source("cub", cub)
    return source.labels(source.finest)


def mined(path, names, *, pictures="train", level="species"):
    """The names behind each in a ring, and before them itself in other spellings, as a careless maker might."""
    ranked = {
        name: [name, name.upper().replace(" ", "_"), *names[at + 1 :], *names[:at]] for at, name in enumerate(names)
    }
    made_by = {"model": "encoder", "model_hash": "abc"}
    path.write_text(json.dumps({"level": level, "pictures": pictures, "made_by": made_by, "confusions": ranked}))
    return path


def choices(rows):
    """(options, right one) of each choice question."""
    asked = [pair for row in rows for pair in pairs(row)]
    return [(options_of(question), answer) for question, answer in asked if options_of(question)]


@pytest.mark.parametrize("count", [3, 5])
def test_a_choice_lists_the_hardest_and_never_the_right_name_twice(cub, names, tmp_path, count):
    file = mined(tmp_path / "hard.json", names)
    options = {"source": "cub", "levels": "species", "options": count, "negatives": str(file), "per_kind": 2}
    manifest = build("questions", root=cub, out=tmp_path / "out", options=options)
    rows = list(read_rows(tmp_path / "out"))
    places = set()
    for listed, right in choices(rows):
        at = names.index(right)
        hardest = [names[(at + step) % len(names)] for step in range(1, count)]
        assert sorted(listed) == sorted([right, *hardest])
        places.add(tuple(listed.index(one) for one in (right, *hardest)))
    assert len(places) > count, "the order is drawn: neither the right one's place nor the ranks'"
    for row in rows:
        right = next(answer for question, answer in pairs(row) if options_of(question))
        for question, answer in pairs(row):
            if answer in ("yes", "no"):
                at = names.index(right)
                wrong = [names[(at + step) % len(names)] for step in range(1, count)]
                assert asked_label(question) in ([right] if answer == "yes" else wrong)
    assert manifest["options"]["negatives"]["made_by"] == {"model": "encoder", "model_hash": "abc"}
    assert len(manifest["options"]["negatives"]["sha256"]) == 16


def test_a_benchmark_of_five_ways_stands_beside_the_published_one(cub, names, tmp_path):
    file = mined(tmp_path / "hard.json", names, pictures="test")
    options = {"source": "cub", "kinds": "choice", "levels": "species", "options": 5, "negatives": str(file)}
    with pytest.raises(UserError, match=r"another test than FG-BMK's of cub; .*--dataset cub_5way"):
        build("fgbmk", root=cub, out=tmp_path / "out", options=options)
    build("fgbmk", root=cub, out=tmp_path / "out", options={**options, "dataset": "cub_5way"})
    found = list(read_jsonl(tmp_path / "out" / HIERARCHY / "cub_5way/species/species_question_choice.jsonl"))
    assert {len(set(options_of(row["text"]))) for row in found} == {5}
    assert all(row["class"] in options_of(row["text"]) for row in found)
    manifest = read_json(tmp_path / "out" / HIERARCHY / "cub_5way/manifest.json")
    assert manifest["options"]["negatives"]["pictures"] == "test"
    # random ones are drawn from all
    build("fgbmk", root=cub, out=tmp_path / "out", options={**options, "dataset": "r", "negatives": "random"})
    others = list(read_jsonl(tmp_path / "out" / HIERARCHY / "r/species/species_question_choice.jsonl"))
    assert [row["image"] for row in others] == [row["image"] for row in found]
    assert len({frozenset(options_of(row["text"])) for row in others}) > len(names)


def test_what_is_held_out_is_no_wrong_name(cub, names, tmp_path):
    file = mined(tmp_path / "hard.json", names)
    held = tmp_path / "held.txt"
    held.write_text(f"{names[1]}\n")
    options = {"source": "cub", "levels": "species", "negatives": str(file), "categories": {"hold_out": str(held)}}
    build("questions", root=cub, out=tmp_path / "out", options=options)
    assert names[1] not in (tmp_path / "out" / "rows.jsonl").read_text()
    listed = next(listed for listed, right in choices(read_rows(tmp_path / "out")) if right == names[0])
    assert sorted(listed) == sorted([names[0], *names[2:5]]), "those behind it take its place"


def test_what_was_there_before_is_built_as_before(cub, tmp_path):
    """Four options and siblings need no word in the manifest, so that sets need not be built again."""
    manifest = build("questions", root=cub, out=tmp_path / "out", options={"source": "cub"})
    assert {"options", "negatives"}.isdisjoint(manifest["options"])


def test_other_names_of_the_right_one_are_not_wrong(tmp_path, names):
    found = read_mined(mined(tmp_path / "hard.json", names))
    assert found.of(names[0], {}) == names[1:]
    assert found.of(names[0].upper(), {}) == names[1:]
    assert found.of(names[0], {names[0]: (names[2].replace(" ", "_"),)}) == [names[1], *names[3:]]
    assert found.of(names[0], {names[2]: (names[0],)}) == [names[1], *names[3:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pictures": "test"}, "mined behind test pictures"),
        ({"confusions": {"red jay": ["blue jay"]}}, "a choice needs 3. Mine more"),
        ({"level": "genera"}, "names of level genera, and asked is about species"),
        ({"confusions": {"a": ["b"]}}, "no wrong names for"),
        ({"confusions": []}, "no file of wrong names"),
        ({"made_by": None}, "no file of wrong names"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(cub, names, tmp_path, change, told):
    file = mined(tmp_path / "hard.json", names)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    options = {"source": "cub", "levels": "species", "negatives": str(file)}
    with pytest.raises(UserError, match=told):
        build("questions", root=cub, out=tmp_path / "out", options=options)
    with pytest.raises(UserError, match="write siblings, random, or a file"):
        build("questions", root=cub, out=tmp_path / "out", options={**options, "negatives": "hardest"})
