"""The data of a stage: whoever shares the work and wherever it stopped, a step holds its samples and no others."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from data_fakes import mosaic_rows, picture_rows, stage_data, text_rows, training_set
from hypothesis import given, settings
from hypothesis import strategies as st

from fgtrain.batch import Batch
from fgtrain.data.load_balancing import deal, mean_imbalance
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


LOADS = st.lists(st.tuples(st.integers(1, 500), st.sampled_from([0, 0, 16, 64])), max_size=70)


@given(LOADS, st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_step_is_dealt_whole_and_no_micro_batch_stays_empty_while_another_has_two(loads, turns, ranks):
    loads_SL = np.array([(text + image, image) for text, image in loads], np.int32).reshape(-1, 2)
    dealt = deal(loads_SL, turns, ranks)
    assert [len(turn) for turn in dealt] == [ranks] * turns
    parts = [part.tolist() for turn in dealt for part in turn]
    assert sorted(place for part in parts for place in part) == list(range(len(loads)))
    assert all(part == sorted(part) for part in parts)
    assert min(map(len, parts)) > 0 or max(map(len, parts), default=0) <= 1
    # Where only one kind of load counts, nobody carries more than a fair share and one sample.
    tokens_S1 = loads_SL[:, :1]
    held = [int(tokens_S1[part].sum()) for turn in deal(tokens_S1, turns, ranks) for part in turn]
    assert max(held) <= tokens_S1.sum() / len(held) + tokens_S1.max(initial=0)


def test_dealing_by_load_gives_devices_equal_tokens_and_equal_images():
    """Ragged conversations, a third without image, as in LLaVA's mixture: 4 samples each on 8 devices, 4 turns."""
    rng = np.random.default_rng(0)
    images_S = np.where(rng.random(128 * 20) < 0.67, 256 * rng.choice([1, 1, 2, 5], 128 * 20), 0)
    texts_S = np.clip(rng.lognormal(5, 0.8, 128 * 20), 20, 2000)
    by_number_L, by_load_L = mean_imbalance(np.stack([texts_S + images_S, images_S], 1).astype(np.int32), 128, 4, 8)
    assert float(by_number_L.min()) > 1.5
    assert float(by_load_L.max()) < 1.1


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


@pytest.mark.parametrize("steps", [3, 8, 20])
def test_a_stage_of_so_many_steps_takes_them_full_and_goes_on_exactly(sets, tmp_path, steps):
    def data():
        return stage_data(tmp_path, sets, MIX, stage={"steps": steps}, per_device_batch_size=4)

    whole = list(data().train_dataloader())
    assert data().steps == len(whole) == steps
    assert [batch.num_samples for batch in whole] == [4] * steps
    resumed = data()
    resumed.load_state_dict({"steps_done": 2})
    for ours, theirs in zip(resumed.train_dataloader(), whole[2:], strict=True):
        assert_equal(ours, theirs)


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
