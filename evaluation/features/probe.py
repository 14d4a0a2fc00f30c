"""Linear probes: many heads (which vectors, which learning rate) trained jointly on cached features."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from data_builders.shared.errors import UserError
from data_builders.shared.seeding import draw

EVALUATION_BATCH = 4_096  # pictures
PASSES, FEWEST_STEPS, MOST_STEPS = 20, 1_000, 10_000  # of the default protocol


@dataclass(frozen=True)
class Head:
    """A linear classifier on the last `blocks` blocks' class tokens, with or without the last block's mean patch."""

    blocks: int
    mean_patch: bool
    learning_rate: float  # at its peak, as stepped (already times batch / 256)

    def __str__(self) -> str:
        return f"{self.blocks} block(s){', mean patch' if self.mean_patch else ''}, rate {self.learning_rate:g}"


@dataclass(frozen=True)
class Protocol:
    """How heads are trained. `steps` None: 20 passes over the training pictures, at least 1,000 and at most 10,000."""

    name: str
    optimizer: str  # adam or sgd (momentum 0.9)
    blocks: tuple[int, ...]
    rates: tuple[float, ...]  # before they are multiplied by batch / 256
    steps: int | None
    batch: int = 128
    standardised: bool = False  # by the training pictures' mean and deviation

    def number_of_steps(self, pictures: int) -> int:
        return self.steps or max(FEWEST_STEPS, min(MOST_STEPS, math.ceil(PASSES * pictures / self.batch)))

    def heads(self, vectors: Sequence[str]) -> list[Head]:
        """All heads that such vectors allow: fewer where there are fewer blocks, or no patches beside a class token."""
        have = sum(name != "mean" for name in vectors)
        means = (False, True) if "mean" in vectors else (False,)
        blocks = sorted({min(count, have) for count in self.blocks})
        rates = [rate * self.batch / 256 for rate in self.rates]
        return [Head(*choice) for choice in product(blocks, means, rates)]


FGBMK_RATES = (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2)
DINOV2_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)
PROTOCOLS = {
    "default": Protocol("default", "adam", (1, 2), FGBMK_RATES, None, standardised=True),
    "fgbmk": Protocol("fgbmk", "adam", (1, 2), FGBMK_RATES, 10 * 1_000),
    "dinov2": Protocol("dinov2", "sgd", (1, 4), DINOV2_RATES, 10 * 1_250),
}


def head_input(vectors_NKF: Tensor, names: Sequence[str], blocks: int, mean_patch: bool) -> Tensor:
    """What such a head reads: class tokens from the earlier block to the last, then the mean patch. [N, D]"""
    last = len(names) - 1 if names[-1] == "mean" else len(names)
    parts = vectors_NKF[:, last - blocks : last]
    return torch.cat([parts, vectors_NKF[:, -1:]], 1).flatten(1) if mean_patch else parts.flatten(1)


class Bank:
    """All heads; those that read the same input are one matrix, so that a step is one product an input."""

    def __init__(self, heads: Sequence[Head], names: Sequence[str], features: int, classes: int, seed: int) -> None:
        """`features`: F of the vectors. Weights are drawn as DINOv2 does: normal with 0.01, no bias."""
        self.heads, self.names = list(heads), tuple(names)
        self.inputs = list(dict.fromkeys((head.blocks, head.mean_patch) for head in self.heads))
        self.members = [
            [place for place, head in enumerate(self.heads) if (head.blocks, head.mean_patch) == read]
            for read in self.inputs
        ]
        generator = torch.Generator().manual_seed(int(draw(seed, "probe weights").integers(2**62)))
        self.weights, self.biases = [], []
        for (blocks, mean_patch), members in zip(self.inputs, self.members, strict=True):
            width = features * (blocks + mean_patch)
            drawn = torch.empty(len(members), classes, width).normal_(0, 0.01, generator=generator)
            self.weights.append(drawn.requires_grad_())
            self.biases.append(torch.zeros(len(members), 1, classes, requires_grad=True))

    def logits(self, vectors_NKF: Tensor, of: int) -> Tensor:
        """[heads of that input, N, classes]."""
        read = head_input(vectors_NKF, self.names, *self.inputs[of])
        heads, classes, width = self.weights[of].shape
        flat = read @ self.weights[of].reshape(heads * classes, width).T
        return flat.view(len(read), heads, classes).transpose(0, 1) + self.biases[of]

    def parameters(self) -> list[dict]:
        """Optimizer groups, one a head; their tensors share the bank's memory."""
        groups = []
        for of, members in enumerate(self.members):
            for row, place in enumerate(members):
                own = [torch.nn.Parameter(tensor[of].detach()[row]) for tensor in (self.weights, self.biases)]
                groups.append({"params": own, "lr": self.heads[place].learning_rate, "place": (of, row)})
        return groups

    def head(self, place: int) -> tuple[Tensor, Tensor]:
        """Weight [classes, D] and bias [classes] of one head."""
        of = self.inputs.index((self.heads[place].blocks, self.heads[place].mean_patch))
        row = self.members[of].index(place)
        return self.weights[of][row].detach(), self.biases[of][row, 0].detach()


@dataclass(frozen=True)
class Scaling:
    """How vectors are standardised before every head; the identity where a protocol does not."""

    mean_KF: Tensor
    deviation_KF: Tensor

    def __call__(self, vectors_NKF: Tensor) -> Tensor:
        return (vectors_NKF - self.mean_KF) / self.deviation_KF


@dataclass(frozen=True)
class TrainedHead:
    """One head with its scaling: vectors [N, K, F] -> logits [N, classes], differentiable."""

    head: Head
    names: tuple[str, ...]
    scaling: Scaling
    weight: Tensor
    bias: Tensor

    def __call__(self, vectors_NKF: Tensor) -> Tensor:
        scaled = self.scaling(vectors_NKF)
        return F.linear(head_input(scaled, self.names, self.head.blocks, self.head.mean_patch), self.weight, self.bias)


@dataclass
class Trained:
    bank: Bank
    scaling: Scaling
    losses: list[float]  # mean over heads, every tenth part of the steps

    def correct(self, vectors_NKF: np.ndarray, labels: Sequence[int]) -> np.ndarray:
        """[heads, N] bool."""
        rights = np.zeros((len(self.bank.heads), len(labels)), bool)
        device, targets = self.scaling.mean_KF.device, torch.as_tensor(np.asarray(labels))
        with torch.no_grad():
            for start in range(0, len(labels), EVALUATION_BATCH):
                part = self.scaling(_tensor(vectors_NKF[start : start + EVALUATION_BATCH], device))
                for of, members in enumerate(self.bank.members):
                    predicted = self.bank.logits(part, of).argmax(2).cpu()
                    right = predicted == targets[start : start + len(part)]
                    rights[members, start : start + len(part)] = right.numpy()
        return rights

    def head(self, place: int) -> TrainedHead:
        weight, bias = self.bank.head(place)
        return TrainedHead(self.bank.heads[place], self.bank.names, self.scaling, weight, bias)


def train_heads(
    vectors_NKF: np.ndarray,
    labels: Sequence[int],
    names: Sequence[str],
    *,
    classes: int,
    protocol: Protocol,
    seed: int = 0,
    device: str = "cpu",
    advance: Callable[[int], None] = lambda count: None,
) -> Trained:
    """Train all heads of a protocol jointly (cosine to zero, no weight decay); each learns as if it were alone.

    `vectors_NKF` may be memory mapped: a batch is read at a time. UserError when there is nothing to learn from.
    """
    labels = np.asarray(labels)
    if not len(labels) or classes < 2:
        raise UserError(f"a probe needs pictures of 2 or more classes, not {len(labels)} of {classes}")
    bank = Bank(protocol.heads(names), names, vectors_NKF.shape[2], classes, seed)
    bank.weights = [weight.detach().to(device).requires_grad_() for weight in bank.weights]
    bank.biases = [bias.detach().to(device).requires_grad_() for bias in bank.biases]
    groups = bank.parameters()
    places = [group.pop("place") for group in groups]
    if protocol.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, momentum=0.9, weight_decay=0.0)
    else:
        optimizer = torch.optim.Adam(groups, weight_decay=0.0)
    steps = protocol.number_of_steps(len(labels))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0.0)
    scaling, losses = _scaling(vectors_NKF, protocol, device), []
    targets = torch.as_tensor(labels, device=device)
    for step, chosen in enumerate(batches(len(labels), protocol.batch, steps, seed)):
        part, gold = scaling(_tensor(vectors_NKF[chosen], device)), targets[torch.as_tensor(chosen, device=device)]
        total = torch.zeros((), device=device)
        for of, members in enumerate(bank.members):
            logits = bank.logits(part, of)
            # The sum over heads: no head's gradient depends on another's.
            total = total + F.cross_entropy(logits.flatten(0, 1), gold.repeat(len(members))) * len(members)
        total.backward()
        for (of, row), group in zip(places, optimizer.param_groups, strict=True):
            group["params"][0].grad, group["params"][1].grad = bank.weights[of].grad[row], bank.biases[of].grad[row]
        optimizer.step()
        schedule.step()
        for tensor in (*bank.weights, *bank.biases):
            tensor.grad.zero_()
        if step % max(1, steps // 10) == 0:
            losses.append(float(total.detach()) / len(bank.heads))
        advance(1)
    return Trained(bank, scaling, losses)


def batches(pictures: int, batch: int, steps: int, seed: int):
    """Yields the places of each step's pictures: one shuffled pass after another, without a break between them."""
    waiting, epoch = np.empty(0, np.int64), 0
    for _ in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, draw(seed, "probe order", epoch).permutation(pictures)])
            epoch += 1
        yield waiting[:batch]
        waiting = waiting[batch:]


def _scaling(vectors_NKF: np.ndarray, protocol: Protocol, device: str) -> Scaling:
    _, slots, features = vectors_NKF.shape
    if not protocol.standardised:
        return Scaling(torch.zeros(slots, features, device=device), torch.ones(slots, features, device=device))
    count, total, squares = 0, np.zeros((slots, features)), np.zeros((slots, features))
    for start in range(0, len(vectors_NKF), EVALUATION_BATCH):
        part = np.asarray(vectors_NKF[start : start + EVALUATION_BATCH], np.float64)
        count, total, squares = count + len(part), total + part.sum(0), squares + (part**2).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # a unit that never varies tells nothing: leave it as it is rather than blow it up
    deviation[deviation < 1e-6 * np.maximum(np.abs(mean), 1e-6)] = 1.0
    return Scaling(*(torch.tensor(value, dtype=torch.float32, device=device) for value in (mean, deviation)))


def _tensor(rows: np.ndarray, device: object) -> Tensor:
    return torch.from_numpy(np.array(rows, np.float32)).to(device)
