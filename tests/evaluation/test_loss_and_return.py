"""What came back: lost = back + left, tasks count alike, and the intervals hold what was drawn."""

import numpy as np
import pytest

from evaluation.scoring.loss_and_return import AskedThrice, loss_and_return


def test_lost_is_what_came_back_and_what_did_not() -> None:
    rng = np.random.default_rng(5)
    tasks = {}
    for name, size in (("a", 60), ("b", 30)):
        before = np.ones(size)
        after = (rng.random(size) < 0.4).astype(float)
        tasks[name] = AskedThrice(
            [f"{name}{n}" for n in range(size)], before, after, np.maximum(after, rng.random(size) < 0.5)
        )
    found = loss_and_return(tasks)
    mean = {key: one["value"] for key, one in found["mean"].items()}
    assert mean["lost"] == pytest.approx(mean["back"] + mean["left"])
    of = found["tasks"]
    assert mean["lost"] == pytest.approx(np.mean([one["before"] - one["after"] for one in of.values()]))
    assert mean["back"] == pytest.approx(np.mean([one["again"] - one["after"] for one in of.values()]))
    assert all(one["low"] <= one["value"] <= one["high"] for one in found["mean"].values())
    assert found["mean"]["lost"]["low"] <= 60 <= found["mean"]["lost"]["high"]
    assert found["mean"]["back"]["low"] <= 30 <= found["mean"]["back"]["high"]
