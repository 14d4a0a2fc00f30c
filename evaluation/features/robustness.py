"""Projected gradient descent (PGD): how few pixel steps turn right answers wrong, through encoder and probe head."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Attack:
    """Sign ascent on the cross-entropy inside an L-inf ball, without a random start."""

    name: str
    eps: float  # radius
    alpha: float  # step
    steps: int
    normalised: bool  # eps and alpha are in the model's normalised pixels, and nothing keeps them in the pixels' range

    def describe(self) -> str:
        space = "normalised pixels, not clamped" if self.normalised else "pixels, clamped to 0..1"
        return f"PGD, L-inf {self.eps * 255:g}/255, step {self.alpha * 255:g}/255, {self.steps} steps on {space}"


ATTACKS = {
    "default": Attack("default", eps=8 / 255, alpha=2 / 255, steps=10, normalised=False),
    # As released: the radius never binds (10 steps of 1/255), and it is in normalised pixels.
    "fgbmk": Attack("fgbmk", eps=0.2, alpha=1 / 255, steps=10, normalised=True),
}


def perturb(logits_of: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, attack: Attack) -> Tensor:
    """The attacked images, in the space of `images`: pixels 0..1, or normalised ones where the attack lives there."""
    start = images.detach()
    moved = start.clone()
    for _ in range(attack.steps):
        moved.requires_grad_(True)
        # Sum, not mean: only the sign counts, and a small batch must be attacked like a large one.
        loss = F.cross_entropy(logits_of(moved), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = moved.detach() + attack.alpha * gradient.sign()
        moved = start + (moved - start).clamp(-attack.eps, attack.eps)
        if not attack.normalised:
            moved = moved.clamp(0.0, 1.0)
    return moved.detach()


@dataclass(frozen=True)
class Attacked:
    """Right or wrong before and after, one value an image."""

    clean: Tensor
    perturbed: Tensor
    unmoved: int  # images whose gradient was exactly zero: no sign of robustness, the soft-max was saturated


@torch.no_grad()
def attack_batch(
    features_of: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    pixels_NCHW: Tensor,
    labels: Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    attack: Attack,
) -> Attacked:
    """Attack un-normalised pixels white-box; `features_of` takes such pixels, `head` makes logits of its features."""
    shift = torch.tensor(mean, device=pixels_NCHW.device).view(1, -1, 1, 1)
    scale = torch.tensor(std, device=pixels_NCHW.device).view(1, -1, 1, 1)

    def logits_of(images: Tensor) -> Tensor:
        return head(features_of(images * scale + shift if attack.normalised else images))

    images = (pixels_NCHW - shift) / scale if attack.normalised else pixels_NCHW
    clean = logits_of(images).argmax(1) == labels
    with torch.enable_grad():
        moved = perturb(logits_of, images, labels, attack)
    still = (moved == images).flatten(1).all(1)
    return Attacked(clean.cpu(), (logits_of(moved).argmax(1) == labels).cpu(), int(still.sum()))
