from collections import Counter

import numpy as np
import pytest
from PIL import Image
from small_sources import make_cub, make_grocery

from data_builders.build import build
from data_builders.mosaic import answer_in_order, compose, open_tile
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image


def test_tiles_lie_where_the_order_says_and_the_answer_names_them_so():
    names = [f"tile {i}" for i in range(9)]
    images = [Image.new("RGB", (30 + i, 20), (i * 20, 0, 0)) for i in range(9)]
    order = [4, 0, 8, 1, 2, 3, 7, 6, 5]
    picture = np.asarray(compose(images, (3, 3), 10, order))
    assert picture.shape == (30, 30, 3)
    seen = [names[picture[row * 10 + 5, column * 10 + 5, 0] // 20] for row in range(3) for column in range(3)]
    assert ", ".join(seen) == answer_in_order(names, order)


def test_a_tile_is_the_middle_square():
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))
    tile = np.asarray(compose([wide], (1, 1), 20, [0]))
    assert (tile == (0, 255, 0)).all()


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4]])
def test_an_order_that_is_no_permutation_is_refused(order):
    with pytest.raises(ValueError, match="do not fill"):
        compose([Image.new("RGB", (4, 4))] * 4, (2, 2), 4, order)


def test_one_turn_uses_every_image_and_more_rows_use_them_equally(tmp_path):
    root = make_cub(tmp_path / "cub")
    build("mosaic", root=root, out=tmp_path / "one", options={"source": "cub", "grid": 2})
    one = list(read_rows(tmp_path / "one"))
    assert len(one) == 4  # 14 images in fours
    assert len({image for row in one for image in row["image"]}) == 14
    build("mosaic", root=root, out=tmp_path / "two", options={"source": "cub", "grid": 2, "rows": 40})
    used = Counter(image for row in read_rows(tmp_path / "two") for image in row["image"])
    assert sum(used.values()) == 160
    assert max(used.values()) - min(used.values()) <= 10
    for row in one:
        assert len(set(row["image"])) == 4
        assert row["conversations"][1]["value"] == ", ".join(row["mosaic"]["names"])
        assert row["conversations"][0]["value"].count("<image>") == 1


def test_sibling_mosaics_hold_fewer_genera(tmp_path):
    root = make_cub(tmp_path / "cub")

    def genera(neighbours):
        options = {"source": "cub", "grid": 2, "neighbours": neighbours, "rows": 40}
        build("mosaic", root=root, out=tmp_path / neighbours, options=options)
        found = [{name.split()[-1] for name in row["mosaic"]["names"]} for row in read_rows(tmp_path / neighbours)]
        return sum(map(len, found)) / len(found)

    assert genera("sibling") < genera("random") - 0.4


def test_examples_are_rendered_and_do_not_count_as_an_option(tmp_path):
    root = make_cub(tmp_path / "cub")
    options = {"source": "cub", "grid": 3, "tile_pixels": 12}
    build("mosaic", root=root, out=tmp_path / "out", options={**options, "render": 1})
    with Image.open(tmp_path / "out" / "examples" / "000.jpg") as picture:
        assert picture.size == (36, 36)
    question, answer = (tmp_path / "out" / "examples" / "000.txt").read_text().splitlines()
    assert answer == next(read_rows(tmp_path / "out"))["conversations"][1]["value"]
    assert question.endswith((".", "?"))
    build("mosaic", root=root, out=tmp_path / "out", options=options)
    with pytest.raises(UserError, match="needs 64 images; there are 14"):
        build("mosaic", root=root, out=tmp_path / "big", options={"source": "cub", "grid": 8})


def two_sources(folder):
    make_cub(folder / "cub")
    make_grocery(folder / "shop")
    return {"source": "cub=cub,grocery=shop"}


@pytest.mark.parametrize("answer", ["reading_order", "position"])
def test_tiles_come_from_one_data_set_or_from_all(tmp_path, answer):
    options = {**two_sources(tmp_path), "grid": 2, "rows": 12, "answer": answer}
    mixtures = {}
    for tiles in ("same", "mixed"):
        build("mosaic", root=tmp_path, out=tmp_path / tiles, options={**options, "tiles": tiles})
        rows = list(read_rows(tmp_path / tiles))
        mixtures[tiles] = [{image.split("/")[0] for image in row["image"]} for row in rows]
        assert len({row["id"] for row in rows}) == len(rows)
        for row in rows:
            assert all((tmp_path / image).is_file() for image in row["image"])
    assert mixtures["same"] == [{"cub"}] * 12 + [{"shop"}] * 12
    assert len(mixtures["mixed"]) == 12
    assert sum(kinds == {"cub", "shop"} for kinds in mixtures["mixed"]) > 6
    # Birds have species and groceries products; a question about both calls them categories.
    questions = [row["conversations"][0]["value"] for row in read_rows(tmp_path / "mixed")]
    assert all("categor" in question or "What does each" in question for question in questions)


def test_siblings_across_data_sets_are_of_as_few_groups_as_possible(tmp_path):
    options = {**two_sources(tmp_path), "grid": 2, "rows": 40, "tiles": "mixed", "neighbours": "sibling"}
    build("mosaic", root=tmp_path, out=tmp_path / "out", options={**options, "level": None})
    mixed = sum(len({image.split("/")[0] for image in row["image"]}) == 2 for row in read_rows(tmp_path / "out"))
    assert mixed < 25


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ((2, 2), "top left: d; top right: a; bottom left: b; bottom right: c"),
        ((1, 4), "row 1, column 1: d; row 1, column 2: a; row 1, column 3: b; row 1, column 4: c"),
    ],
)
def test_an_answer_by_position_tells_each_place(grid, expected):
    assert answer_in_order(["a", "b", "c", "d"], [3, 0, 1, 2], "position", grid) == expected


def test_places_of_three_by_three_are_named_as_people_do(tmp_path):
    root = make_cub(tmp_path / "cub")
    build("mosaic", root=root, out=tmp_path / "out", options={"source": "cub", "answer": "position"})
    for row in read_rows(tmp_path / "out"):
        places = [part.split(": ") for part in row["conversations"][1]["value"].split("; ")]
        assert [name for _, name in places] == row["mosaic"]["names"]
        assert [place for place, _ in places[:5]] == ["top left", "top middle", "top right", "middle left", "center"]
        assert row["mosaic"]["answer"] == "position"
        assert "reading order" not in row["conversations"][0]["value"]
        assert "commas" not in row["conversations"][0]["value"]


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_neighbours(tmp_path):
    root = make_cub(tmp_path / "cub")
    shas = [
        build("mosaic", root=root, out=tmp_path / name, options={"source": "cub", "grid": 2, "seed": seed})["sha256"]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert shas[0] == shas[1] != shas[2]


def photo(path, size, quality=90, mode="RGB", seed=3):
    """A picture of waves, as smooth as photographs are."""
    y, x = np.mgrid[: size[1], : size[0]] / 97
    waves = [np.sin(x * (3 + c) + seed) + np.cos(y * (4 - c)) + 0.3 * np.sin(9 * (x + y)) for c in range(3)]
    image = Image.fromarray((128 + 45 * np.stack(waves, 2)).clip(0, 255).astype(np.uint8)).convert(mode)
    image.save(path, **({"quality": quality} if path.suffix == ".jpg" else {}))
    return path


def test_a_jpeg_comes_reduced_but_never_smaller_than_its_tile(tmp_path):
    for size in ((1000, 750), (750, 1000), (597, 700), (300, 200), (120, 90)):
        path = photo(tmp_path / "p.jpg", size)
        tile = open_tile(path, 149)
        assert min(tile.size) >= min(149, *size)
        assert min(tile.size) < 2 * 149 or min(size) < 2 * 149
        assert open_tile(path, 149, exact=True).size == size
        assert min(open_tile(path, 149, kept=0.5).size) >= min(298, *size)


def test_reduced_tiles_look_like_exact_ones(tmp_path):
    paths = [photo(tmp_path / f"{i}.jpg", (1000 - 60 * i, 700), seed=i) for i in range(4)]

    def picture(exact):
        images = [open_tile(path, 149, exact=exact) for path in paths]
        return np.asarray(compose(images, (2, 2), 149, range(4), exact=exact), float)

    straightforward = Image.new("RGB", (298, 298))
    for place, path in enumerate(paths):
        image = Image.open(path).convert("RGB")
        left = (image.width - 700) // 2
        tile = image.crop((left, 0, left + 700, 700)).resize((149, 149), Image.Resampling.BICUBIC)
        straightforward.paste(tile, (place % 2 * 149, place // 2 * 149))
    straightforward = np.asarray(straightforward, float)
    assert (picture(exact=True) == straightforward).all()
    error = ((picture(exact=False) - straightforward) ** 2).mean()
    assert error > 0
    assert 10 * np.log10(255**2 / error) > 34


@pytest.mark.parametrize("name", ["cmyk.jpg", "sixteen.png", "moving.gif", "palette.png", "jpeg.png", "grey.jpg"])
def test_other_pictures_come_as_open_image_gives_them(tmp_path, name):
    path = tmp_path / name
    if name == "sixteen.png":
        Image.fromarray(np.arange(90000, dtype=np.uint16).reshape(300, 300)).save(path)
    elif name == "moving.gif":
        frames = [Image.new("RGB", (300, 200), (i, 0, 0)) for i in (255, 0)]
        frames[0].save(path, save_all=True, append_images=frames[1:])
    elif name == "jpeg.png":  # named otherwise than it is
        photo(tmp_path / "x.jpg", (200, 200)).rename(path)
    else:
        # Grey JPEGs are reduced as coloured ones are; this one is too small for that.
        size = (250, 290) if name == "grey.jpg" else (700, 650)
        photo(path, size, mode={"c": "CMYK", "g": "L", "p": "P"}[name[0]])
    assert open_tile(path, 149).tobytes() == open_image(path).tobytes()


@pytest.mark.parametrize("exact", [False, True])
def test_a_tile_that_cannot_be_read_is_named(tmp_path, exact):
    whole = photo(tmp_path / "whole.jpg", (1000, 750)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("L", (12_001, 12_000)).save(tmp_path / "bomb.jpg", quality=1)
    for name, says in (
        ("cut", "cannot be read"),
        ("empty", "cannot be read"),
        ("bomb", "pixels"),
        ("none", "no image"),
    ):
        with pytest.raises(UserError, match=says) as refused:
            open_tile(tmp_path / f"{name}.jpg", 149, exact=exact)
        assert f"{name}.jpg" in str(refused.value)


def test_an_unreadable_tile_stops_the_rendering_and_leaves_no_manifest(tmp_path):
    root = make_cub(tmp_path / "cub")
    for path in (root / "images").rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"\.jpg cannot be read"):
        build("mosaic", root=root, out=tmp_path / "out", options={"source": "cub", "render": 1})
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not (tmp_path / "out" / "rows.jsonl").exists()
