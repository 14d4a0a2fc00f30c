"""AutoAugment: each operation against its definition, the policy's draws, and data sets side by side in a stage."""

from collections import Counter

import numpy as np
import pytest
from data_fakes import picture_rows, stage_data, training_set
from PIL import Image

from data_builders.shared.seeding import draw
from fgtrain.data import autoaugment
from fgtrain.data.autoaugment import OPERATIONS, POLICY, autoaugmented

GREY = np.array([299, 587, 114]) / 1000  # ITU-R 601


@pytest.fixture(scope="module")
def shown() -> Image.Image:
    y, x = np.mgrid[:24, :30]
    noise = np.random.default_rng(3).integers(-20, 20, (24, 30, 3))
    values = np.stack([60 + 4 * x, 40 + 5 * y, 150 - 3 * x], 2) + noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def rotated(values: np.ndarray, degrees: float) -> np.ndarray:
    """About the centre, against the clock; what comes from outside is black."""
    height, width = values.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    turn, out = np.deg2rad(degrees), np.zeros_like(values)
    dx, dy = x - width / 2, y - height / 2
    from_x = np.floor(np.cos(turn) * dx - np.sin(turn) * dy + width / 2).astype(int)
    from_y = np.floor(np.sin(turn) * dx + np.cos(turn) * dy + height / 2).astype(int)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    out[inside] = values[from_y[inside], from_x[inside]]
    return out


def sheared(values: np.ndarray, share: float) -> np.ndarray:
    height, width = values.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    from_x, out = np.floor(x + share * y).astype(int), np.zeros_like(values)
    inside = (from_x >= 0) & (from_x < width)
    out[inside] = values[np.mgrid[:height, :width][0][inside], from_x[inside]]
    return out


def blended(values: np.ndarray, degenerate: np.ndarray, more: float) -> np.ndarray:
    return (degenerate + (1 + more) * (values - degenerate)).clip(0, 255)


def grey(values: np.ndarray) -> np.ndarray:
    return (values @ GREY).round()


def smoothed(values: np.ndarray) -> np.ndarray:
    """The mean of a pixel's 3 x 3 neighbourhood, itself counted 5 times; the border stays."""
    out, inner = values.astype(float), np.zeros((values.shape[0] - 2, values.shape[1] - 2, 3))
    for dy in range(3):
        for dx in range(3):
            inner += (5 if (dy, dx) == (1, 1) else 1) * values[dy : dy + inner.shape[0], dx : dx + inner.shape[1]]
    out[1:-1, 1:-1] = inner / 13
    return out


def stretched(values: np.ndarray) -> np.ndarray:
    low, high = values.min((0, 1)), values.max((0, 1))
    return (values - low) * (255 / (high - low))


def equal_in_number(values: np.ndarray) -> np.ndarray:
    """Each value by the share of pixels below it, a channel at a time."""
    out = np.empty_like(values)
    for channel in range(3):
        counts = np.bincount(values[..., channel].ravel(), minlength=256)
        step = (counts.sum() - counts[counts > 0][-1]) // 255
        table = (step // 2 + np.cumsum(counts) - counts) // step
        out[..., channel] = table.clip(0, 255)[values[..., channel]]
    return out


DEFINED = {  # operation -> (what it does by definition, at these steps, levels that rounding may be off by)
    "rotate": (rotated, (0, 3, 8, 9), 0),
    "shear_x": (sheared, (0, 5, 9), 0),
    "color": (lambda v, m: blended(v, grey(v)[..., None], m), (0, 2, 9), 1),
    "contrast": (lambda v, m: blended(v, np.full_like(v, int(grey(v).mean() + 0.5)), m), (0, 8), 1),
    "sharpness": (lambda v, m: blended(v, smoothed(v), m), (0, 7), 2),
    "posterize": (lambda v, m: v // 2 ** round(m) * 2 ** round(m), (0, 5, 6, 7, 8, 9), 0),
    "solarize": (lambda v, m: np.where(v < m, v, 255 - v), (0, 3, 4, 5, 7, 8), 0),
    "autocontrast": (lambda v, m: stretched(v), (0,), 1),
    "equalize": (lambda v, m: equal_in_number(v), (0,), 0),
    "invert": (lambda v, m: 255 - v, (0,), 0),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_what_its_definition_says(shown, name):
    defined, steps, off = DEFINED[name]
    operation, values = OPERATIONS[name], np.asarray(shown).astype(int)
    for step in steps:
        for way in (1, -1) if operation.either_way else (1,):
            magnitude = way * operation.magnitude(step)
            found = np.asarray(operation.do(shown, magnitude)).astype(float)
            expected = defined(values, magnitude)
            # A pixel on the border of two may fall to either.
            share = np.mean(np.abs(found - expected).max(2) > off)
            assert share <= (0.02 if name in ("rotate", "shear_x") else 0), (step, way, share)
    assert operation.magnitude(9) == pytest.approx(operation.high)


def test_magnitudes_are_the_published_steps():
    def at(name: str, *steps: int) -> list[float]:
        return [round(OPERATIONS[name].magnitude(step), 2) for step in steps]

    assert at("rotate", 3, 8, 9) == [10, 26.67, 30]
    assert at("shear_x", 5) == [0.17]
    assert at("solarize", 0, 3, 5, 8) == [255, 170, 113.33, 28.33]
    assert [8 - round(OPERATIONS["posterize"].magnitude(step)) for step in range(10)] == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    assert len(POLICY) == 25
    assert {name for chosen in POLICY for name, _, _ in chosen} == set(OPERATIONS), "no operation without a user"


def test_sub_policies_are_drawn_evenly_and_their_operations_by_their_probabilities(shown, monkeypatch):
    """Over 5,000 draws; a picture that no operation touches is the very same."""
    done: list[str] = []
    for name, one in OPERATIONS.items():
        noted = autoaugment.Operation(lambda p, m, n=name: (done.append(n), p)[1], one.low, one.high, one.either_way)
        monkeypatch.setitem(OPERATIONS, name, noted)
    untouched = 0
    for number in range(5000):
        before = len(done)
        assert autoaugmented(shown, draw("test", number)) is shown
        untouched += len(done) == before
    expected: Counter = Counter()
    for chosen in POLICY:
        for name, probability, _ in chosen:
            expected[name] += 5000 * probability / len(POLICY)
    for name, wanted in expected.items():
        assert abs(done.count(name) - wanted) < 5 * wanted**0.5, name
    neither = 5000 * np.mean([(1 - a[1]) * (1 - b[1]) for a, b in POLICY])
    assert abs(untouched - neither) < 5 * neither**0.5


def test_only_the_named_data_set_is_augmented_in_a_batch_with_others(tmp_path):
    """The others' pictures are those of a stage without augmentation, to the byte, whoever stands beside them."""
    sets = {name: training_set(tmp_path / name, picture_rows(tmp_path / name / "images", 6)) for name in ("fg", "docs")}

    def shown(augment, views=None):
        settings = {"augment": augment, "augment_views": views, "steps": 12}
        data = stage_data(tmp_path, sets, {"fg": 4, "docs": 4}, stage=settings)
        batches, made = data.micro_batches(), {}
        for number in range(len(batches)):
            which = [data.order[place] for place in batches.places(number)]
            rows = batches._load([(one, data.maker.sample(*one)) for one in which])
            made |= dict(zip(which, (row.numpy().tobytes() for row in rows), strict=True))
        return made

    plain, one, both = shown("none"), shown({"fg": "autoaugment"}), shown("autoaugment")
    assert one.keys() == plain.keys() == both.keys()
    assert {which for which in plain if one[which] != plain[which]} <= {which for which in plain if which[0] == "fg"}
    changed = [which for which in plain if which[0] == "fg" and one[which] != plain[which]]
    assert len(changed) > 12, "most of 24"
    assert any(both[which] != plain[which] for which in plain if which[0] == "docs")
    assert shown({"fg": "autoaugment"}) == one
    assert shown({"docs": "none", "fg": "autoaugment"}) == one
    assert all(one[which] == both[which] for which in one if which[0] == "fg"), "the address knows no neighbours"
    fixed = shown({"fg": "flip_crop"}, views=2)
    assert all(fixed[which] == plain[which] for which in plain if which[0] == "docs")
    for row in range(6):
        assert len({fixed[which] for which in fixed if which[0] == "fg" and which[2] == row}) <= 2
