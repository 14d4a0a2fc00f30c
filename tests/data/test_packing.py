"""Samples to packed batches: each whole, in one row, with its images and its weight; and cut where it is too long."""

import re

import numpy as np
import pytest
import torch
from data_fakes import SPEC, talk, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from fgtrain.batch import IGNORE_INDEX, allowed_attention_BTT
from fgtrain.data import encode_row
from fgtrain.data.image import ImageRef
from fgtrain.data.packing import DUMMY_TOKENS, pack
from fgtrain.data.sample import Branch, Sample, assemble
from fgtrain.errors import UserError

IMAGE_TOKENS = 2


def sample_of(name: str, images: int, branches: list[tuple[int, int]]) -> Sample:
    """A sample of `images` pictures and branches of (asked, learnt) tokens, all ids different."""
    prefix = 1 + IMAGE_TOKENS * images
    made, first = [], 100
    for asked, learnt in branches:
        branch = Branch()
        branch.add(list(range(first, first + asked)), False)
        branch.add(list(range(first + asked, first + asked + learnt)), True)
        made.append(branch)
        first += 50
    refs = tuple(ImageRef(f"{name}/{n}") for n in range(images))
    return assemble([7] * prefix, [False] + [True] * (prefix - 1), made, max_tokens=99, images=refs, name=name)


BRANCHES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 6)), min_size=1, max_size=3)
SAMPLES = st.lists(st.tuples(st.integers(0, 2), BRANCHES), min_size=1, max_size=9).map(
    lambda shapes: [sample_of(str(n), *shape) for n, shape in enumerate(shapes)]
)


@given(SAMPLES, st.integers(1, 40) | st.none(), st.sampled_from(["token", "sample", "sqrt"]))
@settings(max_examples=120, deadline=None)
def test_every_sample_comes_back_whole_with_its_images_and_its_weight(samples, room, weighting):
    images = torch.arange(sum(len(s.images) for s in samples), dtype=torch.float32)
    first = np.cumsum([0, *(len(s.images) for s in samples)])
    batch = pack(samples, room, weighting, pixels_NCHW=images.view(-1, 1, 1, 1), data_sets=[s.name for s in samples])
    assert sorted(batch.samples) == sorted(s.name for s in samples)
    assert batch.data_sets == batch.samples
    assert batch.num_samples == len(samples)
    assert int((batch.sample_id_BT > 0).sum()) == sum(map(len, samples))
    found = iter(batch.samples)
    pixels: list[int] = []
    for b in range(len(batch.sample_id_BT)):
        in_row = int(batch.sample_id_BT[b].max())
        assert room is None or in_row == 1 or int((batch.sample_id_BT[b] > 0).sum()) <= room
        for number in range(1, in_row + 1):
            place = int(next(found))
            sample, mine = samples[place], batch.sample_id_BT[b] == number
            for ours, theirs in (
                (batch.token_ids_BT, sample.token_ids),
                (batch.targets_BT, sample.targets),
                (batch.branch_id_BT, sample.branch_ids),
                (batch.position_ids_BT, sample.position_ids),
                (batch.is_image_BT, sample.is_image),
            ):
                np.testing.assert_array_equal(ours[b][mine].numpy(), theirs)
            weight = {"token": sample.labels, "sample": 1.0, "sqrt": sample.labels**0.5}[weighting]
            assert float(batch.weights_BT[b][mine].sum()) == pytest.approx(weight)
            pixels += range(first[place], first[place + 1])
    assert next(found, None) is None
    assert bool((batch.weights_BT[batch.targets_BT == IGNORE_INDEX] == 0).all())
    assert ([] if batch.pixels_NCHW is None else batch.pixels_NCHW.flatten().tolist()) == pixels


def test_rows_are_filled():
    """Ten samples of ten tokens take three rows of forty, not ten."""
    batch = pack([sample_of(str(n), 0, [(5, 4)]) for n in range(10)], 40)
    assert batch.token_ids_BT.shape == (3, 40)


def test_no_sample_still_makes_a_batch_that_a_model_can_run():
    batch = pack([], 64)
    assert batch.token_ids_BT.shape == (1, DUMMY_TOKENS)
    assert batch.label_tokens == 0
    assert float(batch.weights_BT.sum()) == 0
    assert batch.pixels_NCHW is None
    assert batch.features_NPF is None
    assert batch.num_samples == 0
    assert bool(allowed_attention_BTT(batch.sample_id_BT, batch.branch_id_BT).any(-1).all())


def test_a_sample_predicts_within_its_own_branch_and_positions_go_on_from_the_prefix():
    sample = sample_of("", 1, [(2, 2), (1, 3)])
    assert sample.branch_ids.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert sample.position_ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6]
    no = IGNORE_INDEX
    assert sample.targets.tolist() == [no, no, no, no, 102, 103, no, 151, 152, 153, no]
    assert sample.is_image.tolist() == [False, True, True] + [False] * 8


def test_a_long_answer_is_cut_at_its_end_and_nothing_else_changes():
    """For every limit: what remains is the beginning of the whole, and a row that would teach nothing is refused."""
    row = {"id": 9, "image": "a.png", "conversations": talk("What is it?", "a red bird with a long bill")}
    whole = encode_row(row, tokenizer(), "qa", SPEC, 999)
    first = int(np.flatnonzero(whole.targets != IGNORE_INDEX)[0]) + 1  # place of the first answer token
    for limit in range(1, len(whole) + 3):
        if limit <= first:
            with pytest.raises(UserError, match=rf"row 9: {len(whole)} tokens \(3 of them for images\).* is {limit},"):
                encode_row(row, tokenizer(), "qa", SPEC, limit)
            continue
        cut = encode_row(row, tokenizer(), "qa", SPEC, limit)
        size = min(limit, len(whole))
        assert cut.token_ids.tolist() == whole.token_ids[:size].tolist()
        assert cut.targets[:-1].tolist() == whole.targets[: size - 1].tolist()
        assert cut.targets[-1] == IGNORE_INDEX


def test_independent_questions_are_never_cut_and_the_message_names_the_limit_that_fits():
    row = {"id": 9, "conversations": talk("a?", "b", "a longer one?", "yes", image=False), "turns": "independent"}
    with pytest.raises(UserError, match=r"row 9: .* cutting would lose the answer") as refused:
        encode_row(row, tokenizer(), "qa", SPEC, 12)
    limit = int(re.search(r"Write max_tokens: (\d+)", str(refused.value))[1])
    sample = encode_row(row, tokenizer(), "qa", SPEC, limit)
    # The limit is for what the model sees at once: a branch and its prefix, not all branches together.
    assert len(sample) > limit == sample.position_ids.max() + 1
    with pytest.raises(UserError, match=f"is {limit - 1},"):
        encode_row(row, tokenizer(), "qa", SPEC, limit - 1)
