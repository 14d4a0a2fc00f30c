from collections import Counter

import numpy as np
import pytest
from PIL import Image
from small_sources import make_cub

from data_builders.build import build
from data_builders.errors import UserError
from data_builders.mosaic import answer_in_order, compose
from data_builders.records import read_rows


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
    build("mosaic", root=root, out=tmp_path / "out", options=options)
    with pytest.raises(UserError, match="needs 64 images; there are 14"):
        build("mosaic", root=root, out=tmp_path / "big", options={"source": "cub", "grid": 8})
