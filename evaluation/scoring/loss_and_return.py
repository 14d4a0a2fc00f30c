"""How many points a stage has cost on the same questions, and how many of them came back, with intervals."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .certain_loss import AskedTwice, ImageLosses, image_losses
from .statistics import difference_interval, interval, ratio


@dataclass(frozen=True)
class AskedThrice:
    """One task's questions before a stage, after it, and once more, in one order: image and scores in 0..1."""

    images: Sequence[Hashable]
    before: Sequence[float]
    after: Sequence[float]
    again: Sequence[float]


def loss_and_return(tasks: Mapping[str, AskedThrice]) -> dict[str, Any]:
    """{"tasks": task -> {"before", "after", "again", "n"}, "mean": "lost", "back", "left" -> {"value", "low", "high"}}.

    Of a task percent, of the mean over tasks points with the 95 % interval over images; lost = back + left.
    """
    lost = image_losses({name: AskedTwice(one.images, one.before, one.after) for name, one in tasks.items()})
    left = image_losses({name: AskedTwice(one.images, one.before, one.again) for name, one in tasks.items()})
    back = ImageLosses(lost.losses_U - left.losses_U, lost.weights_U, lost.most)
    of_task = {
        name: {key: 100 * float(np.mean(getattr(one, key))) for key in ("before", "after", "again")}
        | {"n": len(one.images)}
        for name, one in tasks.items()
    }
    return {"tasks": of_task, "mean": {"lost": _points(lost), "back": _points(back), "left": _points(left)}}


def _points(found: ImageLosses) -> dict[str, float]:
    sums = np.stack([found.losses_U * found.weights_U, found.weights_U], axis=1)
    low, high = interval(sums, ratio, address=("loss and return",))
    low, high = difference_interval(found.mean, low, high, len(sums))
    return {"value": 100 * found.mean, "low": 100 * low, "high": 100 * high}
