"""The cache of a frozen encoder's outputs: a stage sees the same with it, and each picture is encoded once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data_fakes import SPEC, counting_encoder, mosaic_rows, picture, picture_rows, stage_data, text_rows, training_set

from fgtrain.data import FeatureCache, ImageRef, features, maker, render, views


@pytest.fixture
def sets(tmp_path) -> dict[str, Path]:
    rows = picture_rows(tmp_path / "pictures/images", 5)
    shutil.copy(tmp_path / "pictures/images/0.png", tmp_path / "pictures/images/copy.png")
    rows.append({**rows[0], "id": "copy", "image": "copy.png"})
    return {
        "pictures": training_set(tmp_path / "pictures", rows),
        "mosaics": training_set(tmp_path / "mosaics", mosaic_rows(tmp_path / "mosaics/images", 2)),
        "texts": training_set(tmp_path / "texts", text_rows(3)),
    }


@pytest.mark.parametrize("stage", [{}, {"augment": "flip_crop", "augment_views": 2}], ids=["plain", "two_views"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stage_with_cached_features_is_the_stage_without(sets, tmp_path, stage, workers):
    encode, calls = counting_encoder()
    mix = {"pictures": 4, "mosaics": 3, "texts": 1}
    cache = FeatureCache(tmp_path / "features", encode, "encoder", SPEC)
    cached = stage_data(tmp_path, sets, mix, features=cache, stage=stage, workers=workers)
    cached.prepare()
    encoded = sum(calls)
    batches = list(cached.train_dataloader())
    assert sum(calls) == encoded  # training meets no picture that is not there
    images = 0
    for ours, theirs in zip(batches, stage_data(tmp_path, sets, mix, stage=stage).train_dataloader(), strict=True):
        assert ours.pixels_NCHW is None
        assert ours.samples == theirs.samples
        for name in ("token_ids_BT", "targets_BT", "weights_BT", "sample_id_BT", "is_image_BT"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
        if theirs.pixels_NCHW is None:
            assert ours.features_NPF is None
            continue
        images += len(theirs.pixels_NCHW)
        torch.testing.assert_close(ours.features_NPF, encode(theirs.pixels_NCHW), atol=1e-5, rtol=1e-5)
    assert images == 4 * 6 + 3 * 2


def test_each_content_and_view_is_encoded_once_whoever_asks(sets, tmp_path):
    encode, calls = counting_encoder()

    def prepare(mix, **stage):
        before = sum(calls)
        cache = FeatureCache(tmp_path / "features", encode, "encoder", SPEC)
        stage_data(tmp_path, {name: sets[name] for name in mix}, mix, features=cache, stage=stage).prepare()
        return sum(calls) - before

    assert prepare({"pictures": 3}) == 5  # six names, five pictures
    assert prepare({"pictures": 20}) == 0  # the next start, or another stage
    assert prepare({"pictures": 30}, augment="flip_crop", augment_views=3) == 2 * 5  # the first view is known
    assert prepare({"pictures": 30}, augment="autoaugment", augment_views=1) == 0
    assert prepare({"mosaics": 1}) == 2


def test_many_pictures_are_encoded_and_written_in_parts(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "BATCH", 2)
    monkeypatch.setattr(features, "FLUSH", 3)
    encode, calls = counting_encoder()
    refs = [ImageRef(sets["pictures"] / f"images/{n}.png") for n in (3, 0, 4, 1, 2, 0)]
    found = FeatureCache(tmp_path / "features", encode, "encoder", SPEC).get(refs)
    assert calls == [2, 2, 1]
    alone = torch.cat([encode(torch.from_numpy(render(ref, SPEC))) for ref in refs])
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)


def test_what_is_kept_of_a_picture_does_not_depend_on_what_else_was_missing(sets, tmp_path):
    """Kernels are chosen by the batch's size: a start that was stopped half-way would keep other bits."""
    sizes: list[int] = []

    def encode(pixels_NCHW: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels_NCHW))
        return pixels_NCHW.flatten(1)[:, :15].unflatten(1, (3, 5))

    refs = [ImageRef(sets["pictures"] / f"images/{n}.png") for n in range(5)]
    together = FeatureCache(tmp_path / "together", encode, "encoder", SPEC).get(refs)
    cache = FeatureCache(tmp_path / "alone", encode, "encoder", SPEC)
    alone = torch.cat([cache.get([ref]) for ref in refs])
    assert set(sizes) == {features.BATCH}
    assert torch.equal(together, alone)


def test_processes_encode_each_picture_once_between_them(sets, tmp_path):
    encode, calls = counting_encoder()
    refs = [ImageRef(sets["pictures"] / f"images/{n}.png") for n in range(5)]
    for rank in range(3):
        FeatureCache(tmp_path / "features", encode, "encoder", SPEC).ensure(refs, part=(rank, 3))
    assert sum(calls) == 5
    FeatureCache(tmp_path / "features", encode, "encoder", SPEC).get(refs)
    assert sum(calls) == 5


def test_what_decides_a_feature_is_part_of_its_name(sets, tmp_path):
    encode, calls = counting_encoder()
    ref = ImageRef(sets["pictures"] / "images/0.png")

    def encoded(encoder_hash="encoder", spec=SPEC, ref=ref):
        before = sum(calls)
        found = FeatureCache(tmp_path / "features", encode, encoder_hash, spec).get([ref])
        return found, sum(calls) - before

    first, times = encoded()
    assert times == 1
    assert encoded()[1] == 0
    assert encoded("another encoder")[1] == 1
    assert encoded(spec=replace(SPEC, mean=(0.4, 0.5, 0.5)))[1] == 1
    picture(ref.path, seed=99)  # another picture under the same name
    second, times = encoded()
    assert times == 1
    assert not torch.allclose(first, second)
    assert encoded(ref=ImageRef(sets["pictures"] / "images/copy.png"))[0].equal(first)


@pytest.mark.parametrize("cached", [False, True], ids=["pixels", "features"])
def test_a_start_that_goes_on_reads_only_what_is_left(sets, tmp_path, monkeypatch, cached):
    encode, calls = counting_encoder()
    rows, rendered, met = [], [], []
    plain, draw = maker.encode_row, views.render
    monkeypatch.setattr(maker, "encode_row", lambda row, *rest, **more: rows.append(row) or plain(row, *rest, **more))
    monkeypatch.setattr(views, "render", lambda *rest, **more: rendered.append(rest) or draw(*rest, **more))

    def start(steps_done: int, seed: int = 5, passes: float = 1) -> int:
        """Samples of the rest of the stage; what was read before is forgotten."""
        rows.clear(), rendered.clear(), calls.clear()
        cache = FeatureCache(tmp_path / "features", encode, "encoder", SPEC) if cached else None
        data = stage_data(tmp_path, sets, {"pictures": passes, "texts": 1}, features=cache, seed=seed)
        data.prepare()
        met.append(sum(calls))
        data.load_state_dict({"steps_done": steps_done})
        return sum(batch.num_samples for batch in data.train_dataloader())

    assert start(0) == 9
    assert len(rows) == 9
    left = start(2)
    assert left == 1
    assert len(rows) == left
    assert len(rendered) <= (0 if cached else left)
    assert not calls
    if cached:
        picture(tmp_path / "pictures/images/3.png", seed=77)
        start(0)
        assert (met[-1], sum(calls)) == (0, 1)  # a picture changed since: encoded where training meets it
        shutil.rmtree(tmp_path / "features")
        for seed in range(5):  # half a pass shows other pictures under another seed: all are there before training
            start(0, seed=seed, passes=0.5)
            assert met[-1] == sum(calls)
