"""The data of a stage: whoever shares the work and wherever it stopped, a step holds its samples and no others."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch
from data_fakes import mosaic_rows, picture_rows, stage_data, text_rows, training_set
from hypothesis import given, settings
from hypothesis import strategies as st

from fgtrain.batch import Batch
from fgtrain.data.dataset import Share
from fgtrain.errors import UserError

MIX = {"pictures": 1.5, "texts": 1, "mosaics": 2}


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        "pictures": training_set(folder / "pictures", picture_rows(folder / "pictures/images", 9)),
        "texts": training_set(folder / "texts", text_rows(11)),
        "mosaics": training_set(folder / "mosaics", mosaic_rows(folder / "mosaics/images", 2)),
    }


def assert_equal(one: Batch, two: Batch) -> None:
    for f in fields(Batch):
        ours, theirs = getattr(one, f.name), getattr(two, f.name)
        same = torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
        assert same, f"{f.name}: {ours} is not {theirs}"


@given(st.integers(0, 70), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_ranks_and_turns_share_every_step_evenly(samples, per_device, accumulation, world_size):
    size = per_device * accumulation * world_size
    shares = [Share(size, accumulation, rank, world_size) for rank in range(world_size)]
    for step in range(-(-samples // size)):
        numbers = range(step * accumulation, (step + 1) * accumulation)
        parts = [list(share.places(number, samples)) for share in shares for number in numbers]
        wanted = list(range(step * size, min((step + 1) * size, samples)))
        assert sorted(place for part in parts for place in part) == wanted
        # Also in the last, partial step: no device waits while another does all of it.
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert max(map(len, parts)) <= per_device


@pytest.mark.parametrize(("per_device", "world_size"), [(4, 1), (2, 1), (1, 2), (1, 4), (2, 2)])
def test_a_step_holds_the_same_samples_however_many_devices_and_turns_make_it(sets, tmp_path, per_device, world_size):
    data = stage_data(tmp_path, sets, MIX, per_device_batch_size=per_device)
    order = [f"{name}/{number}/{data.rows[name][row]['id']}" for name, number, row in data.order]
    assert len(order) == data.samples == 9 + 5 + 11 + 4  # 1.5 passes of 9 are 14 samples (half up)
    assert data.steps == 8
    ranks = [data.micro_batches(rank, world_size) for rank in range(world_size)]
    turns = 4 // (per_device * world_size)
    assert {len(rank) for rank in ranks} == {8 * turns}
    for step in range(8):
        batches = [rank.batch(step * turns + turn) for rank in ranks for turn in range(turns)]
        assert sorted(name for b in batches for name in b.samples) == sorted(order[4 * step : 4 * step + 4])
        assert sum(b.num_samples for b in batches) == len(order[4 * step : 4 * step + 4])


def test_a_global_batch_that_does_not_divide_is_refused_with_the_nearest_that_do(sets, tmp_path):
    data = stage_data(tmp_path, sets, stage={"global_batch_size": 100}, per_device_batch_size=8)
    with pytest.raises(UserError) as refused:
        data.micro_batches(0, 6)
    assert str(refused.value) == (
        "stages.align.global_batch_size is 100, not a multiple of 48 (8 per device x 6 devices). "
        "Nearest that are: 96, 144"
    )
    with pytest.raises(UserError, match=r"Nearest that are: 128$"):
        data.micro_batches(0, 16)


@pytest.mark.parametrize("augment", ["none", "flip_crop"])
def test_going_on_gives_exactly_the_batches_that_were_left(sets, tmp_path, augment):
    """Wherever it stopped, in this process or in loader processes."""
    settings = {"augment": augment}
    whole = list(stage_data(tmp_path, sets, MIX, stage=settings).train_dataloader())
    assert len(whole) == 16
    for steps_done, workers in ((0, 2), (3, 0), (7, 0), (7, 1), (8, 0)):
        data = stage_data(tmp_path, sets, MIX, stage=settings, workers=workers)
        data.load_state_dict({"steps_done": steps_done})
        assert data.state_dict() == {"steps_done": steps_done}
        loader = data.train_dataloader()
        assert len(loader) == 16  # Lightning counts from the stage's beginning
        left = list(loader)
        assert len(left) == 16 - 2 * steps_done
        for ours, theirs in zip(left, whole[2 * steps_done :], strict=True):
            assert_equal(ours, theirs)


def test_stopping_with_one_number_of_devices_and_going_on_with_another_loses_and_repeats_nothing(sets, tmp_path):
    def names(data, world_size, steps):
        ranks = [data.micro_batches(rank, world_size) for rank in range(world_size)]
        turns = ranks[0].share.accumulation
        return [n for s in steps for r in ranks for t in range(turns) for n in r.batch(s * turns + t).samples]

    before = names(stage_data(tmp_path, sets, MIX, per_device_batch_size=1), 4, range(5))
    after = names(stage_data(tmp_path, sets, MIX, per_device_batch_size=2), 1, range(5, 8))
    assert len(before) == 20
    assert len({*before, *after}) == len(before) + len(after) == 29


def test_tokens_per_pass_are_the_lengths_of_its_samples(sets, tmp_path):
    data = stage_data(tmp_path, sets)
    lengths = dict.fromkeys(sets, 0)
    for name, number, row in data.order:
        lengths[name] += len(data.maker.sample(name, number, row))
    assert data.tokens_per_pass() == lengths
    assert sum(lengths.values()) == sum(
        int((batch.sample_id_BT > 0).sum()) for batch in data.train_dataloader() if batch.num_samples
    )
    # A second start reads what the first has found out, and a different limit is a different question.
    assert stage_data(tmp_path, sets).tokens_per_pass() == lengths
    longest = max(len(data.maker.sample("pictures", 0, row)) for row in range(9))
    short = stage_data(tmp_path, {"pictures": sets["pictures"]}, max_tokens=longest - 1).tokens_per_pass()
    assert short["pictures"] < lengths["pictures"]


def test_a_data_set_that_is_added_leaves_the_samples_of_the_others_as_they_were(sets, tmp_path):
    def shown(mix):
        data = stage_data(tmp_path, {name: sets[name] for name in mix}, mix, stage={"augment": "flip_crop"})
        found, batches = {}, data.micro_batches()
        for which in data.order:
            if which[0] != "texts":
                sample = data.maker.sample(*which)
                found[sample.name] = (sample.token_ids.tolist(), batches._load([(which, sample)]).sum().item())
        return found

    assert shown(MIX) == shown({name: MIX[name] for name in ("mosaics", "pictures")})
