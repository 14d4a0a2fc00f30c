"""How many points are lost for certain: a lower bound on the mean loss of questions that were asked before and after.

The bound is exact for any number of images and any shape of losses. It bets against the claim that the mean loss is m:
each image multiplies a capital of 1 by 1 + a share of it times (its loss - m). If the claim holds the capital is 1 on
average at most, whatever the share, so by Markov's inequality it reaches 1 / risk with a chance of `risk` at most. The
capital is an average over a fixed grid of shares (a mixture, so that none has to be guessed), and the bound is the
smallest m against which the bets do not win so much.

Betting on bounded means: Waudby-Smith and Ramdas, JRSS-B 2024 (arXiv 2010.09686). Their bets go through a stream of new
observations; here the images are the same at every look, so nothing is gained from one look to the next, and the chance
of an error is divided over the looks that are planned (`risk` = total / looks), which holds however the looks hang
together. Tasks count alike, however many questions each has: by the inequality of arithmetic and geometric means the
product over images is no larger, on average, than if every task lost the mean.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SHARES = (np.arange(50) + 0.5) / 50  # of the most that can be bet without ever owing
PRECISION = 1e-4  # of the bound, as a share


@dataclass(frozen=True)
class AskedTwice:
    """One task's questions before and after, in one order: image (or whatever falls together) and scores in 0..1."""

    images: Sequence[Hashable]
    before: Sequence[float]
    after: Sequence[float]


@dataclass(frozen=True)
class ImageLosses:
    """What each image lost, scaled so that the mean over `weights` is the mean over tasks of their mean losses."""

    losses_U: np.ndarray  # in -most..most
    weights_U: np.ndarray  # of mean 1
    most: float

    @property
    def mean(self) -> float:
        return float((self.losses_U * self.weights_U).mean())


def image_losses(tasks: Mapping[str, AskedTwice]) -> ImageLosses:
    """One number an image, however many questions it carries. Tasks that share images are taken together."""
    losses, weights, most = [], [], 0.0
    for names in _sharing_images(tasks):
        images = sorted({image for name in names for image in tasks[name].images}, key=str)
        place = {image: number for number, image in enumerate(images)}
        loss_G, reach_G = np.zeros(len(images)), np.zeros(len(images))
        for name in names:
            task = tasks[name]
            index = [place[image] for image in task.images]
            share = len(images) / (len(names) * len(index))
            np.add.at(loss_G, index, (np.asarray(task.before, float) - np.asarray(task.after, float)) * share)
            np.add.at(reach_G, index, share)
        losses.append(loss_G)
        weights.append(np.full(len(images), len(names) / len(tasks) / len(images)))
        most = max(most, float(reach_G.max()))
    weights_U = np.concatenate(weights)
    return ImageLosses(np.concatenate(losses), weights_U * len(weights_U), most)


def _sharing_images(tasks: Mapping[str, AskedTwice]) -> list[list[str]]:
    """The tasks in groups that have no image in common."""
    groups: list[tuple[list[str], set[Hashable]]] = []
    for name, task in tasks.items():
        names, images, apart = [name], set(task.images), []
        for others, theirs in groups:
            if images.isdisjoint(theirs):
                apart.append((others, theirs))
            else:
                names, images = others + names, images | theirs
        groups = [*apart, (names, images)]
    return [names for names, _ in groups]


def log_capital(found: ImageLosses, mean: float) -> float:
    """Logarithm of what bets against a mean loss of at most `mean` have made of a capital of 1.

    Falls as `mean` grows: of each factor, 1 + share * (loss - mean) / (most + mean), with what an image can lose above
    -most.
    """
    part_U = found.weights_U / found.weights_U.max() * (found.losses_U - mean) / (found.most + mean)
    of_share = np.log1p(np.outer(SHARES, part_U)).sum(axis=1)
    top = of_share.max()
    return float(top + np.log(np.exp(of_share - top).mean()))


def certain_loss(found: ImageLosses, risk: float) -> float:
    """The mean loss is larger than that, but for a chance of `risk`. Never above the mean that was found."""
    enough = -np.log(risk)
    low, high = -1.0 + PRECISION, found.mean
    if high <= low or log_capital(found, low) < enough:
        return -1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if log_capital(found, middle) >= enough else (low, middle)
    return low
