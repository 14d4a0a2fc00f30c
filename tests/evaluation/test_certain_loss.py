"""The bound that ends a stage: how often it errs over all looks, and how soon it sees a real loss, on drawn answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scoring.certain_loss import AskedTwice, ImageLosses, certain_loss, image_losses, log_capital

LIMIT, RISK = 0.05, 0.05
TASKS, QUESTIONS, RIGHT = 5, 40, 0.8  # as recipes/mini/general.yaml asks in between


def stream(rng: np.random.Generator, loss: list[float], moved: float) -> list[ImageLosses]:
    """The same questions at each look, whose answers move alike: the share `moved` of them, `loss` of it for the worse.

    What moved at one look has moved at the next one too for half of the questions, so that looks hang together as those
    of one training do, and still each is another chance to err.
    """
    before = rng.random(TASKS * QUESTIONS) < RIGHT
    luck = rng.random(before.size)
    found = []
    for lost in loss:
        luck = np.where(rng.random(before.size) < 0.5, luck, rng.random(before.size))
        share = max(moved, lost)
        worse, better = (share + lost) / 2 / RIGHT, (share - lost) / 2 / (1 - RIGHT)
        change = np.where(before, luck < worse, -(luck < better).astype(float))
        found.append(ImageLosses(change, np.ones(before.size), 1.0))
    return found


def stopped(looks: list[ImageLosses]) -> int:
    """The look at which the stage ends; 0 where it does not."""
    enough = -np.log(RISK / len(looks))
    return next((n for n, look in enumerate(looks, 1) if log_capital(look, LIMIT) >= enough), 0)


@pytest.mark.parametrize(
    ("loss", "moved", "runs"),
    [(0.0, 0.1, 2000), (LIMIT, 0.1, 200), (LIMIT, 0.3, 200)],
    ids=["nothing is forgotten", "just what may be", "just that, and much else moves"],
)
def test_false_alarms_over_all_looks_are_rarer_than_the_risk(loss: float, moved: float, runs: int) -> None:
    rng = np.random.default_rng(17)
    alarms = sum(stopped(stream(rng, [loss] * 6, moved)) > 0 for _ in range(runs))
    assert alarms / runs <= RISK


def test_the_loss_of_sft_then_fg_is_seen_within_two_looks() -> None:
    """24.0 points, which fine-grained data alone forgets in the drawn miniature."""
    rng = np.random.default_rng(17)
    ends = [stopped(stream(rng, [0.24] * 6, 0.3)) for _ in range(100)]
    assert np.mean([0 < end <= 2 for end in ends]) >= 0.95


def test_the_bound_lies_below_the_truth_as_often_as_it_says() -> None:
    """Also with graded scores, and where nearly nothing ever changes, which normal intervals get wrong."""
    rng = np.random.default_rng(3)
    for draw, truth in (
        (lambda: (rng.random(60) < 0.02).astype(float), 0.02),
        (lambda: rng.beta(0.3, 2.0, 60) - rng.beta(0.3, 2.0, 60), 0.0),
        (lambda: np.where(rng.random(60) < 0.9, 0.0, rng.choice([1.0, -1.0], 60)), 0.0),
    ):
        wrong = sum(certain_loss(ImageLosses(draw(), np.ones(60), 1.0), 0.05) > truth for _ in range(150))
        assert wrong / 150 <= 0.05


@settings(max_examples=25)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=40), st.floats(0.001, 0.5))
def test_the_bound_is_below_what_was_found_and_bets_win_less_the_more_is_claimed(losses: list, risk: float) -> None:
    found = ImageLosses(np.asarray(losses), np.ones(len(losses)), 1.0)
    assert -1.0 <= certain_loss(found, risk) <= found.mean
    assert np.all(np.diff([log_capital(found, mean) for mean in np.linspace(-0.9, 1.0, 20)]) <= 1e-9)


def test_tasks_count_alike_and_an_image_once() -> None:
    """The mean is the one that is reported: over tasks, of their questions' means; whichever share images."""
    many = AskedTwice([f"a{n}" for n in range(40)], [1.0] * 40, [1.0] * 20 + [0.0] * 20)
    few = AskedTwice(["b1", "b1", "b2"], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0])
    beside = AskedTwice(["b2", "c"], [1.0, 1.0], [0.0, 0.5])
    for tasks, mean in (
        ({"many": many}, 0.5),
        ({"many": many, "few": few}, 0.25),
        ({"many": many, "few": few, "beside": beside}, (0.5 + 0.0 + 0.75) / 3),
    ):
        found = image_losses(tasks)
        assert found.mean == pytest.approx(mean)
        assert found.weights_U.mean() == pytest.approx(1.0)
        assert np.abs(found.losses_U).max() <= found.most
    images = {image for task in (many, few, beside) for image in task.images}
    assert len(found.losses_U) == len(images)


def test_copies_of_one_image_prove_nothing() -> None:
    """A hundred questions about one image are one observation, however many were lost."""
    one = image_losses({"task": AskedTwice(["a"] * 100, [1.0] * 100, [0.0] * 100)})
    hundred = image_losses({"task": AskedTwice(list(range(100)), [1.0] * 100, [0.0] * 100)})
    assert certain_loss(one, 0.05) < 0.0 < 0.9 < certain_loss(hundred, 0.05)
