"""Pictures as a stage sees them: fixed views, new ones each pass, mosaics laid out anew; a function of the address."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_fakes import COLOURS, SPEC, mosaic_rows, picture, picture_rows, stage_data, training_set
from PIL import Image

from fgtrain.data import ImageRef, render
from fgtrain.data import image as image_module
from fgtrain.data.chat import image_refs
from fgtrain.data.datamodule import StageData
from fgtrain.data.views import Contents, View
from fgtrain.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


def pictures_of(data: StageData) -> list[tuple[tuple[str, int, int], np.ndarray]]:
    """(data set, pass, row) and the pixels of its picture, for the whole stage."""
    batches = data.micro_batches()
    return [(which, batches._load([(which, data.maker.sample(*which))])[0].numpy()) for which in data.order]


def different(pictures: list[np.ndarray]) -> int:
    return len({array.tobytes() for array in pictures})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("views")
    return {"pictures": training_set(folder / "pictures", picture_rows(folder / "pictures/images", 3))}


@pytest.mark.parametrize(
    ("augment", "views", "fewest", "most"),
    [
        ("none", None, 1, 1),
        ("none", 4, 1, 1),
        ("flip_crop", 1, 1, 1),
        ("flip_crop", 4, 3, 4),
        ("autoaugment", 4, 3, 4),
        ("flip_crop", None, 12, 12),
        ("autoaugment", None, 4, 12),  # a sub-policy may leave a picture as it is
        ("jpeg", None, 8, 12),  # of 26 qualities
    ],
)
def test_a_picture_has_as_many_looks_as_it_has_views(pictures, tmp_path, augment, views, fewest, most):
    """In twelve passes: one without augmentation, `views` of them when they are fixed, else a new one each pass."""
    stage = {"augment": augment, "augment_views": views}
    shown = pictures_of(stage_data(tmp_path, pictures, {"pictures": 12}, stage=stage))
    for row in range(3):
        looks = [look for (_, _, index), look in shown if index == row]
        assert len(looks) == 12
        assert fewest <= different(looks) <= most
    again = pictures_of(stage_data(tmp_path, pictures, {"pictures": 12}, stage=stage))
    assert all(np.array_equal(one, two) for (_, one), (_, two) in zip(shown, again, strict=True))


def test_the_first_view_is_the_picture_as_it_is(pictures, tmp_path):
    stage = {"augment": "flip_crop", "augment_views": 2}
    plain = {which[2]: look for which, look in pictures_of(stage_data(tmp_path, pictures))}
    shown = pictures_of(stage_data(tmp_path, pictures, {"pictures": 8}, stage=stage))
    as_it_is = [np.array_equal(look, plain[which[2]]) for which, look in shown]
    assert 0 < sum(as_it_is) < len(as_it_is)


BY_POSITION = "top left: {}; top right: {}; bottom left: {}; bottom right: {}"


@pytest.mark.parametrize(
    ("form", "written"),
    [(None, "{}, {}, {}, {}"), ("reading_order", "{}, {}, {}, {}"), ("position", BY_POSITION)],
)
def test_mosaics_are_laid_out_anew_each_pass_and_the_answer_says_where_the_tiles_are(tmp_path, form, written):
    """With augmentation too: a flip of the whole would put the tiles elsewhere."""
    names = np.array(list(COLOURS))
    values = np.array(list(COLOURS.values())) / 255
    sets = {"mosaics": training_set(tmp_path / "mosaics", mosaic_rows(tmp_path / "mosaics/images", 4, form))}
    for augment in ("none", "flip_crop"):
        data = stage_data(tmp_path, sets, {"mosaics": 6}, stage={"augment": augment})
        answers = {}
        for which, look in pictures_of(data):
            sample = data.maker.sample(*which)
            learnt = data.tokenizer.decode(sample.targets[sample.targets >= 0], skip_special_tokens=True).strip()
            colours_CHW = look * np.array(SPEC.std)[:, None, None] + np.array(SPEC.mean)[:, None, None]
            middles = [colours_CHW[:, y, x] for y in (4, 12) for x in (4, 12)]  # in reading order
            seen = [names[np.abs(values - middle).sum(1).argmin()] for middle in middles]
            assert learnt == written.format(*seen)
            answers[which[1:]] = learnt
        assert len({answers[number, 0] for number in range(6)}) > 3
        assert len({answers[0, row] for row in range(4)}) > 1
        again = stage_data(tmp_path, sets, {"mosaics": 6}, stage={"augment": augment})
        assert {which[1:] for which in again.order} == set(answers)
        for number, row in answers:
            one, two = data.maker.sample("mosaics", number, row), again.maker.sample("mosaics", number, row)
            assert one.images == two.images
            assert one.token_ids.tolist() == two.token_ids.tolist()


def test_an_address_gives_the_same_pixels_in_another_process(pictures, tmp_path):
    """Which has drawn other things before, and hashes text otherwise."""
    path = str(pictures["pictures"] / "images" / "1.png")
    script = (
        "import hashlib, json, sys\n"
        "sys.path.insert(0, 'tests/data')\n"
        "from data_fakes import SPEC\n"
        "from fgtrain.data import ImageRef, render\n"
        f"ref = ImageRef({path!r})\n"
        "render(ref, SPEC, 'autoaugment', (9,))\n"
        "looks = [render(ref, SPEC, a, (5, 'align', 'set', 1)) for a in ('none', 'flip_crop', 'autoaugment')]\n"
        "print(json.dumps([hashlib.sha256(look.tobytes()).hexdigest() for look in looks]))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": str(REPOSITORY)}
    output = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    looks = [render(ImageRef(path), SPEC, a, (5, "align", "set", 1)) for a in ("none", "flip_crop", "autoaugment")]
    assert json.loads(output.stdout) == [hashlib.sha256(look.tobytes()).hexdigest() for look in looks]
    assert different(looks) == 3


def test_what_is_cropped_does_not_tell_what_is_flipped(tmp_path):
    """The draws of one address are independent of each other."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (64, 200, 3))
    Image.fromarray(ramp.copy()).save(tmp_path / "ramp.png")
    ref, found = ImageRef(tmp_path / "ramp.png"), []
    for number in range(300):
        line = render(ref, SPEC, "flip_crop", (number,))[0, 0, 8]
        flipped = line[0] > line[-1]
        found.append((flipped, line.min(), line.max()))
    assert 120 < sum(flipped for flipped, _, _ in found) < 180
    correlation = np.abs(np.corrcoef(np.array(found, float).T))
    assert correlation[0, 1:].max() < 0.2


def test_the_tiles_of_a_mosaic_are_augmented_one_by_one(tmp_path):
    picture(tmp_path / "same.png", seed=4, size=(40, 40))
    ref = ImageRef(tmp_path / "same.png", (tmp_path / "same.png",) * 4, (2, 2), 8, (0, 1, 2, 3))

    def tiles(augment: str) -> list[np.ndarray]:
        look = render(ref, SPEC, augment, (1,))[0]
        return [look[:, y : y + 8, x : x + 8] for y in (0, 8) for x in (0, 8)]

    assert different(tiles("none")) == 1
    assert different(tiles("flip_crop")) == 4


def waves(path: Path, size: tuple[int, int]) -> Path:
    y, x = np.mgrid[: size[1], : size[0]] / 60
    image = 128 + 100 * np.stack([np.sin(x + y), np.cos(x), np.sin(2 * y)], 2)
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=92)
    return path


@pytest.mark.parametrize("augment", ["none", "flip_crop", "autoaugment", "jpeg"])
def test_tiles_are_augmented_as_small_as_they_were_opened(tmp_path, augment, monkeypatch):
    """By address as whole ones are, and large enough that what a crop leaves fills its tile."""
    sizes, plain = [], image_module._augmented
    monkeypatch.setattr(image_module, "_augmented", lambda p, *rest: (sizes.append(p.size), plain(p, *rest))[1])
    path = waves(tmp_path / "large.jpg", (800, 640))
    ref = ImageRef(path, (path,) * 4, (2, 2), 60, (2, 0, 1, 3))
    spec = replace(SPEC, size=120)
    reduced, whole = (render(replace(ref, exact=exact), spec, augment, (4,)) for exact in (False, True))
    if augment != "flip_crop":  # which draws whole pixels, so another number of them
        assert np.abs(reduced - whole).mean() < 0.2  # in units of a quarter of the range
    assert not np.array_equal(reduced, whole)
    assert np.array_equal(reduced, render(ref, spec, augment, (4,)))
    if augment != "none":
        assert not np.array_equal(reduced, render(ref, spec, augment, (5,)))
        assert sizes[:8] == [((200, 160) if augment == "flip_crop" else (100, 80))] * 4 + [(800, 640)] * 4


def test_an_exact_mosaic_is_another_picture_for_the_cache(tmp_path):
    path = waves(tmp_path / "large.jpg", (800, 640))
    ref = ImageRef(path, (path,) * 4, (2, 2), 40, (2, 0, 1, 3))
    assert Contents().key(View(ref)) != Contents().key(View(replace(ref, exact=True)))
    row = mosaic_rows(tmp_path, 1)[0]
    row["mosaic"]["exact"] = True
    assert [one.exact for one in image_refs(row, tmp_path)] == [True]
    assert [one.exact for one in image_refs(mosaic_rows(tmp_path, 1)[0], tmp_path)] == [False]


def test_an_answer_of_an_unknown_form_is_refused(tmp_path):
    [row] = mosaic_rows(tmp_path / "mosaics/images", 1)
    row["mosaic"]["answer"] = "clockwise"
    sets = {"mosaics": training_set(tmp_path / "mosaics", [row])}
    with pytest.raises(UserError, match=r"row 'm0'.*'clockwise'; known are reading_order, position"):
        stage_data(tmp_path, sets).prepare()


def test_pixels_are_scaled_as_the_encoder_expects(tmp_path):
    picture(tmp_path / "red.png", colour="red", size=(31, 7))
    [look] = render(ImageRef(tmp_path / "red.png"), SPEC)
    assert look.shape == (3, 16, 16)
    assert look.dtype == np.float32
    np.testing.assert_allclose(look.reshape(3, -1).T, np.broadcast_to([2, -2, -2], (256, 3)), atol=1e-6)
