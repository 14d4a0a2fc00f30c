"""Categories that are held out: no builder shows or names them, and all builders hold out the same ones."""

import json

import pytest

from data_builders.build import build
from data_builders.leakage.training import find_sets
from data_builders.records import Manifest, images_of, read_rows, texts_of
from data_builders.shared.errors import UserError
from data_builders.sources import SOURCE_NAMES, HoldOut, hold_out, load_source, same_name
from data_builders.writing.unsaid import Unsaid, unsaid_of

BUILDERS = ("short_answer", "questions", "preferences", "caption", "caption_fg", "tf_balanced", "mosaic", "open_world")
ONE_NAME_A_PICTURE = {"tf_balanced", "open_world", "mosaic"}
FINE = {"categories": {"hold_out": 0.25}}


@pytest.fixture(scope="module")
def cub(tmp_path_factory):
    root = tmp_path_factory.mktemp("cub")
    drawn = {"source": "cub", "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 1}
    build("drawn", root=None, out=root / "data", options=drawn)
    return root / "data"


def options_for(what: str, name: str, root) -> dict:
    more = {"texts": str(root / "texts"), "frow": "none"} if what == "open_world" else {}
    return {"source": name, **more, **({"grid": 2} if what == "mosaic" else {}), **FINE}


def told(row: dict) -> str:
    """All that a row says, without the names of its pictures."""
    return json.dumps([texts_of(row), row["category"], (row.get("mosaic") or {}).get("names")])


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_no_builder_shows_or_names_what_is_held_out(name, tmp_path):
    root = tmp_path / "data"
    drawn = {"source": name, "pixels": 32, "train_images_per_species": 2, "test_images_per_species": 1}
    build("drawn", root=None, out=root, options=drawn)
    (narrowed,) = hold_out((load_source(name, root),), HoldOut(0.25))
    names, images = narrowed.held_out.names, {row.image for row in narrowed.held_out.images}
    assert names[narrowed.finest.name]
    assert images
    unsaid = unsaid_of(narrowed)
    for what in BUILDERS:
        if narrowed.multi_label and what in ONE_NAME_A_PICTURE:
            continue
        options = options_for(what, name, root)
        if narrowed.multi_label and what == "questions":
            options["kinds"] = "true_false,short_answer"  # too few labels are left for a choice
        build(what, root=root, out=tmp_path / what, options=options)
        rows = list(read_rows(tmp_path / what))
        assert Manifest.load(tmp_path / what).held_out == {name: {k: list(v) for k, v in names.items()}}, what
        assert not images & {image for row in rows for image in images_of(row)}, what
        assert {said for row in rows if (said := unsaid.said_in(told(row)))} == set(), what


def test_a_larger_fraction_holds_out_more_of_the_same(cub):
    source = load_source("cub", cub)
    drawn = [set(hold_out((source,), HoldOut(part))[0].held_out.names["species"]) for part in (0.1, 0.25, 0.5)]
    assert drawn[0] < drawn[1] < drawn[2]
    assert len(drawn[1]) == round(0.25 * len(source.labels(source.finest)))


def test_with_a_genus_go_its_species(cub):
    source = load_source("cub", cub)
    (narrowed,) = hold_out((source,), HoldOut(0.3, "genus"))
    (genus, *_) = narrowed.held_out.names["genus"]
    below = {row.category for row in source.images if row.parents["genus"] == genus}
    assert below <= set(narrowed.held_out.names["species"])
    assert genus not in narrowed.labels(narrowed.level("genus"))


def test_names_of_a_file_are_held_out_however_they_are_spelt(cub, tmp_path):
    source = load_source("cub", cub)
    first, second = source.labels(source.finest)[:2]
    (tmp_path / "names.txt").write_text(f"{first.upper().replace(' ', '_')}\n\n{second}\n", encoding="utf-16")
    (narrowed,) = hold_out((source,), HoldOut(str(tmp_path / "names.txt")))
    assert set(narrowed.held_out.names["species"]) == {first, second}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hold_out": 1.5}, "between 0 and 1"),
        ({"hold_out": 0.25, "level": "colour"}, "level is 'colour'"),
        ({"hold_out": 0.99}, "hold out fewer"),
        ({"hold_out": "nowhere.txt"}, "no file nowhere.txt"),
        ({"hold_aut": 0.25}, "hold_out"),
        ("hold_out=0.25,level=genus", None),
    ],
)
def test_what_cannot_be_held_out_is_told(given, told, cub, tmp_path):
    options = {"source": "cub", "categories": given}
    if told is None:
        build("short_answer", root=cub, out=tmp_path / "out", options=options)
        return
    with pytest.raises(UserError, match=told):
        build("short_answer", root=cub, out=tmp_path / "out", options=options)


def test_a_name_that_is_nowhere_is_told_with_the_nearest(cub, tmp_path):
    source = load_source("cub", cub)
    name = source.labels(source.finest)[0]
    (tmp_path / "names.txt").write_text(name[:-1] + "\n")
    with pytest.raises(UserError, match=f"is it '{name}'"):
        hold_out((source,), HoldOut(str(tmp_path / "names.txt")))


def test_a_set_built_with_others_held_out_is_another_set(cub, tmp_path):
    build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})
    with pytest.raises(UserError, match="was built otherwise: categories"):
        build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", **FINE})


def test_a_finished_set_is_still_compared_with_what_it_holds_out(cub, tmp_path):
    """`check` knows the pictures of both splits from the names in the manifest."""
    build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", **FINE})
    (narrowed,) = hold_out((load_source("cub", cub),), HoldOut(0.25))
    (found,) = find_sets(tmp_path / "out")
    known = {image for _, image in found.test_images.values()}
    assert {row.image for row in narrowed.held_out.images} <= known
    assert not known & {row.image for row in narrowed.split("trainval")}


def test_a_name_inside_a_longer_one_is_not_said():
    unsaid = Unsaid(["crow", "red-winged blackbird"], ["fish crow", "crow"])
    assert unsaid.said_in("Fish crows live near water.") is None
    assert unsaid.said_in("A fish crow is smaller than a crow.") == "crow"
    assert unsaid.said_in("Redwinged Blackbirds nest here.") == "red-winged blackbird"
    assert unsaid.without("It sings. It is like a crow. It eats.") == "It sings. It eats."
    assert same_name("Red-winged_Blackbird") == same_name("red winged blackbird")
