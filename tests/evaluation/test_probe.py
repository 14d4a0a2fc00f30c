"""Joint heads learn as heads alone; the choice never sees the test pictures; draws have addresses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data_builders.shared.errors import UserError
from evaluation.features.labelled import draw_validation
from evaluation.features.probe import PROTOCOLS, Bank, Head, Protocol, batches, head_input, train_heads

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("cls_2", "cls_1", "mean")


@pytest.fixture(scope="module")
def rows():
    return dict(np.load(GOLDEN / "linear_probe.dev.npz"))


def made_up(pictures=40, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % classes
    centres = generator.normal(size=(classes, 3, 6)) * 2
    return (centres[labels] + generator.normal(size=(pictures, 3, 6))).astype(np.float32), labels


def test_fgbmks_sweep_is_twenty_four_heads():
    heads = PROTOCOLS["fgbmk"].heads(NAMES)
    assert len(heads) == 24
    assert len(set(heads)) == 24
    assert sorted({head.learning_rate for head in heads}) == pytest.approx(
        [r / 2 for r in (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2)]
    )
    assert PROTOCOLS["fgbmk"].steps == 10_000
    assert PROTOCOLS["fgbmk"].batch == 128
    assert len(PROTOCOLS["dinov2"].heads(("cls_4", "cls_3", *NAMES))) == 52


def test_vectors_that_allow_fewer_heads_give_fewer():
    assert len(PROTOCOLS["fgbmk"].heads(("pooled",))) == 6
    assert len(PROTOCOLS["fgbmk"].heads(("mean_2", "mean_1"))) == 12
    assert {head.blocks for head in PROTOCOLS["dinov2"].heads(NAMES)} == {1, 2}


def test_a_head_reads_the_last_blocks_in_order_then_the_mean_patch():
    vectors = torch.arange(12.0).view(2, 3, 2)
    assert head_input(vectors, NAMES, 1, False)[0].tolist() == [2, 3]
    assert head_input(vectors, NAMES, 2, False)[0].tolist() == [0, 1, 2, 3]
    assert head_input(vectors, NAMES, 1, True)[0].tolist() == [2, 3, 4, 5]
    assert head_input(vectors, NAMES, 2, True)[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert head_input(vectors[:, :2], ("mean_2", "mean_1"), 1, False)[0].tolist() == [2, 3]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_heads_trained_together_are_those_trained_alone(optimizer):
    vectors, labels = made_up()
    protocol = Protocol("small", optimizer, (1, 2), (0.02, 0.4), steps=30, batch=16)
    together = train_heads(vectors, labels, NAMES, classes=3, protocol=protocol, seed=3)
    for place in (0, 3, 7):
        head = together.bank.heads[place]
        weight, bias = Bank(together.bank.heads, NAMES, 6, 3, 3).head(place)
        weight, bias = torch.nn.Parameter(weight.clone()), torch.nn.Parameter(bias.clone())
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
        own = kind([weight, bias], lr=head.learning_rate, **({} if optimizer == "adam" else {"momentum": 0.9}))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(own, 30)
        for chosen in batches(len(labels), 16, 30, 3):
            read = head_input(torch.tensor(vectors[chosen]), NAMES, head.blocks, head.mean_patch)
            own.zero_grad()
            F.cross_entropy(F.linear(read, weight, bias), torch.tensor(labels[chosen])).backward()
            own.step()
            schedule.step()
        trained = together.head(place)
        torch.testing.assert_close(trained.weight, weight.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(trained.bias, bias.detach(), rtol=1e-4, atol=1e-5)
        logits = trained(torch.tensor(vectors))
        right = (logits.argmax(1).numpy() == labels).astype(bool)
        assert (together.correct(vectors, labels)[place] == right).all()


@pytest.mark.parametrize("name", ["default", "fgbmk"])
def test_accuracies_lie_in_the_band_of_the_reference(rows, name):
    total = json.loads((GOLDEN / "linear_probe.dev.total.json").read_text())
    low, high = total["band_top1"]
    protocol = Protocol("short", "adam", (1, 2), PROTOCOLS[name].rates, 500, standardised=name == "default")
    trained = train_heads(
        rows["train"][:, None], rows["train_labels"], ("pooled",), classes=total["classes"], protocol=protocol
    )
    found = trained.correct(rows["test"][:, None], rows["test_labels"]).mean(1)
    assert ((found >= low) & (found <= high)).all(), found


def test_the_same_seed_gives_the_same_heads_and_another_seed_others():
    vectors, labels = made_up()
    protocol = Protocol("small", "adam", (1,), (0.1,), steps=5, batch=8)
    one, two, other = (
        train_heads(vectors, labels, NAMES, classes=3, protocol=protocol, seed=seed).head(0).weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_batches_are_shuffled_passes_without_a_break():
    drawn = np.concatenate(list(batches(10, 4, 10, seed=0)))
    assert len(drawn) == 40
    for start in range(0, 40, 10):
        assert sorted(drawn[start : start + 10].tolist()) == list(range(10))
    assert (np.concatenate(list(batches(10, 4, 3, seed=0))) == drawn[:12]).all()


def test_a_units_scale_changes_nothing_and_one_that_never_varies_does_no_harm():
    vectors, labels = made_up(60)
    vectors[..., 0] = 7.0
    scaled = vectors.copy()
    scaled[..., 1] = 1e6 * scaled[..., 1] + 3
    protocol = Protocol("standard", "adam", (1,), (0.05,), steps=60, batch=32, standardised=True)
    one, two = (train_heads(given, labels, NAMES, classes=3, protocol=protocol).head(0) for given in (vectors, scaled))
    assert torch.isfinite(one.weight).all()
    torch.testing.assert_close(one(torch.tensor(vectors)), two(torch.tensor(scaled)), rtol=1e-2, atol=1e-2)


def test_validation_is_drawn_within_classes_and_stays_when_pictures_come_or_go():
    images = [f"{label}/{number}.jpg" for label in range(4) for number in range(10)] + ["lonely.jpg"]
    labels = [label for label in range(4) for _ in range(10)] + [4]
    chosen = draw_validation(images, labels, seed=0)
    assert [int(chosen[10 * label : 10 * label + 10].sum()) for label in range(4)] == [2, 2, 2, 2]
    assert not chosen[-1]  # a class's only picture is needed for training
    part = draw_validation(images[10:], labels[10:], seed=0)
    assert (part == chosen[10:]).all()
    order = np.random.default_rng(0).permutation(len(images))
    again = draw_validation([images[place] for place in order], [labels[place] for place in order], seed=0)
    assert (again == chosen[order]).all()
    assert (draw_validation(images, labels, seed=1) != chosen).any()


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(UserError, match="2 or more classes"):
        train_heads(np.zeros((0, 1, 4)), [], ("pooled",), classes=2, protocol=PROTOCOLS["default"])


@pytest.mark.parametrize(("pictures", "steps"), [(10, 1_000), (12_800, 2_000), (10**6, 10_000)])
def test_the_default_protocol_makes_twenty_passes_within_bounds(pictures, steps):
    assert PROTOCOLS["default"].number_of_steps(pictures) == steps


def test_a_head_says_what_it_is():
    assert str(Head(2, True, 0.005)) == "2 block(s), mean patch, rate 0.005"
