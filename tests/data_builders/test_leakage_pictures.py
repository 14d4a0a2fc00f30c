"""What counts as the same picture."""

from pathlib import Path

import numpy as np
import pytest
from leakage_fakes import faulty, photo
from PIL import Image, ImageEnhance

from data_builders.leakage.decoding import look_at
from data_builders.leakage.near import QUERIES, near
from data_builders.leakage.picture_hashes import NEAR_BITS, looks_of, reduced
from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image


def looks(folder: Path, images: list[Image.Image], **how: object) -> np.ndarray:
    found = []
    for number, image in enumerate(images):
        image.save(folder / f"{number}.jpg", **{"quality": 92, **how})
        found.append(reduced(folder / f"{number}.jpg"))
    return looks_of(found)


def pairs(left: np.ndarray, right: np.ndarray, **how: object) -> list[tuple[int, int]]:
    return [(i, j) for i, j, *_ in near(left, right, NEAR_BITS, **how)]


CHANGES = {
    "quality": (lambda image: image, {"quality": 75}),
    "half": (lambda image: image.resize((image.width // 2, image.height // 2)), {}),
    "cropped": (lambda image: image.crop((2, 1, image.width - 2, image.height - 1)), {}),
    "brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.05), {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_and_no_other_picture(tmp_path, change):
    images = [photo(number) for number in range(40)]
    changed, how = CHANGES[change]
    copies = looks(tmp_path, [changed(image) for image in images], **how)
    assert pairs(looks(tmp_path, images), copies) == [(number, number) for number in range(40)]


def test_mirrored_copies_are_found_when_asked_for(tmp_path):
    images = [photo(number) for number in range(20)]
    mirrored = looks(tmp_path, [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images])
    whole = looks(tmp_path, images)
    assert pairs(whole, mirrored) == []
    found = list(near(whole, mirrored, NEAR_BITS, mirrored=True))
    assert [(i, j, is_mirrored) for i, j, _, is_mirrored, _ in found] == [(n, n, True) for n in range(20)]


def test_equal_shapes_in_other_colours_are_other_pictures(tmp_path):
    one = Image.new("RGB", (64, 64), (230, 230, 230))
    one.paste((200, 60, 60), (10, 20, 30, 60))
    other = Image.new("RGB", (64, 64), (230, 230, 230))
    other.paste((60, 60, 200), (10, 20, 30, 60))
    found = looks(tmp_path, [one, other])
    assert np.bitwise_count(found["hash"][0] ^ found["hash"][1]).sum() <= NEAR_BITS
    assert pairs(found[:1], found[1:]) == []
    assert pairs(found[:1], found[:1]) == [(0, 0)]


def test_a_small_bar_of_another_colour_makes_another_chart(tmp_path):
    charts = []
    for colour in ((240, 150, 40), (240, 195, 40), (240, 150, 40)):
        chart = Image.new("RGB", (64, 64), (250, 250, 250))
        chart.paste((20, 20, 20), (8, 20, 26, 60))
        chart.paste(colour, (38, 48, 50, 56))
        charts.append(chart)
    found = looks(tmp_path, charts)
    assert np.bitwise_count(found["hash"][0] ^ found["hash"][1]).sum() <= 16
    assert pairs(found[:1], found[1:2]) == []
    assert pairs(found[:1], found[2:]) == [(0, 0)]


def test_pictures_without_shape_are_near_nothing(tmp_path):
    flat = looks(tmp_path, [Image.new("RGB", (64, 64), (9, 9, 9))] * 2)
    assert flat["flat"].all()
    assert pairs(flat, flat) == []


def random_looks(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = looks_of([]).copy()
    found.resize(count, refcheck=False)
    found["hash"] = rng.integers(0, 256, found["hash"].shape)
    return found


def flipped_bits(looks: np.ndarray, bits: list[int]) -> np.ndarray:
    found = looks.copy()
    for bit in bits:
        found["hash"][:, bit // 8] ^= 128 >> bit % 8
    return found


def test_every_pair_within_fifteen_low_bits_is_found_whichever_bits_differ():
    left = random_looks(QUERIES + 300, 1)  # more than are asked at a time
    for seed in range(6):
        bits = np.random.default_rng(seed).permutation(128)[:15].tolist()
        bits += (128 + np.random.default_rng(seed).permutation(128)[: NEAR_BITS - 15]).tolist()
        right = flipped_bits(left[::-1], bits)
        found = list(near(left, right, NEAR_BITS))
        assert [(i, j, apart) for i, j, apart, _, _ in found] == [
            (i, len(left) - 1 - i, NEAR_BITS) for i in range(len(left))
        ]
        assert list(near(left, right, NEAR_BITS - 1)) == []


def test_ten_thousand_copies_of_one_picture_are_one_comparison():
    one = random_looks(1, 3)
    many = np.repeat(one, 10_000)
    found = list(near(many, many, NEAR_BITS))
    assert len(found) == 10_000
    assert {(j, bits, more) for _, j, bits, _, more in found} == {(0, 0, 9_999)}


def test_a_crowded_band_is_compared_in_parts(monkeypatch):
    monkeypatch.setattr("data_builders.leakage.near.AT_ONCE", 50)
    left = random_looks(60, 4)
    left["hash"][:, :16] = 7  # one bucket in every band
    found = list(near(left, flipped_bits(left, [200]), NEAR_BITS))
    assert [(i, j, bits) for i, j, bits, _, _ in found] == [(i, i, 1) for i in range(60)]


def test_a_broken_file_is_named_and_the_others_are_looked_at(tmp_path):
    broken = faulty(tmp_path)
    good = [str(tmp_path / "whole.jpg")] * 2
    found, faults = look_at([good[0], *(str(path) for path, _ in broken.values()), good[1]])
    assert sorted(faults) == [1, 2, 3, 4, 5]
    for (path, says), fault in zip(broken.values(), faults.values(), strict=True):
        assert str(path) in fault
        assert says in fault
    assert (found[0] == found[-1]).all()
    with pytest.raises(UserError, match=r"missing\.jpg"):
        reduced(tmp_path / "missing.jpg")


def test_odd_but_whole_files_are_read(tmp_path):
    image = photo(5)
    image.save(tmp_path / "png.jpg", format="PNG")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    grey = image.convert("L")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(tmp_path / "16 bit.png")
    image.save(tmp_path / "moving ü,.gif", save_all=True, append_images=[photo(6)])
    names = ["png.jpg", "cmyk.jpg", "16 bit.png", "moving ü,.gif"]
    found, faults = look_at([str(tmp_path / name) for name in names])
    assert not faults
    whole = looks(tmp_path, [image])
    assert pairs(whole, found[:1]) == [(0, 0)]
    assert (np.asarray(open_image(tmp_path / "16 bit.png")) == np.asarray(grey)[..., None]).all()
    Image.fromarray(np.asarray(grey).astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(UserError, match=r"float\.tiff cannot be read \(pixels of 32 bits"):
        open_image(tmp_path / "float.tiff")
