"""A sample: one prefix (what precedes the image, and the image tokens) with branches, as arrays of one length."""

from dataclasses import dataclass, field

import numpy as np

from fgtrain.batch import IGNORE_INDEX
from fgtrain.counts import Counts
from fgtrain.errors import UserError
from fgtrain.images import Layout

from .image import ImageRef

IMAGE_ID = 0  # stands at image positions; its embedding is replaced


@dataclass
class Branch:
    """Tokens of one branch and which of them are learnt."""

    ids: list[int] = field(default_factory=list)
    learnt: list[bool] = field(default_factory=list)

    def add(self, ids: list[int], learnt: bool) -> None:
        self.ids += ids
        self.learnt += [learnt] * len(ids)


@dataclass(frozen=True, eq=False)
class Sample:
    """One row as tokens. All arrays are [length].

    `targets[t]` is the token to predict from position t: the next one of the same branch. The first token of a branch
    is predicted from the prefix's last position, which only a sample with one branch can do.
    """

    token_ids: np.ndarray  # int32
    targets: np.ndarray  # int32, IGNORE_INDEX where nothing is learnt
    branch_ids: np.ndarray  # int32; 0 = prefix, branches from 1
    position_ids: np.ndarray  # int32; every branch goes on from the prefix; [3, length] where they have three axes
    is_image: np.ndarray  # bool
    images: tuple[ImageRef, ...] = ()
    layouts: tuple[Layout, ...] = ()  # of the images; empty where each is one row of pixels
    name: str = ""
    cut: int = 0  # tokens that were cut off at its end

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def image_rows(self) -> int:
        """Rows of pixels of all images together: tiles, or patches."""
        return sum(layout.rows for layout in self.layouts) or len(self.images)

    @property
    def labels(self) -> int:
        """Learnt tokens, of all branches."""
        return int((self.targets != IGNORE_INDEX).sum())

    @property
    def counts(self) -> Counts:
        prefix, *branches = np.bincount(self.branch_ids).tolist()
        pairs = prefix * (prefix + 1) // 2 + sum(own * prefix + own * (own + 1) // 2 for own in branches)
        return Counts(len(self), int(self.is_image.sum()), self.labels, pairs)


def assemble(
    prefix_ids: list[int],
    prefix_is_image: list[bool],
    branches: list[Branch],
    *,
    max_tokens: int,
    images: tuple[ImageRef, ...] = (),
    layouts: tuple[Layout, ...] = (),
    positions: np.ndarray | None = None,
    name: str = "",
) -> Sample:
    """The sample, a single branch cut at its end where it is longer than `max_tokens` (prefix included).

    `positions`: of the prefix [3, tokens]; every branch then starts at the largest + 1 on all axes. None = 0, 1, 2, ...

    `max_tokens` limits each branch with its prefix, which is what the model sees at once. UserError when a prefix or
    one of several branches does not fit, when cutting would leave nothing to learn, or when there is nothing to learn.
    """
    room = max_tokens - len(prefix_ids)
    longest = max(len(branch.ids) for branch in branches)
    lost = max(longest - room, 0)
    if longest > room:
        cut = branches[0].learnt[: max(room, 0)]
        if len(branches) > 1 or not any(cut):
            raise UserError(
                f"{name}: {len(prefix_ids) + longest} tokens ({sum(prefix_is_image)} of them for images), but "
                f"model.max_tokens is {max_tokens}, and cutting would lose the answer. Write max_tokens: "
                f"{len(prefix_ids) + longest} or more, or remove the row"
            )
        branches = [Branch(branches[0].ids[:room], cut)]
    prefix = len(prefix_ids)
    token_ids = np.array(prefix_ids + [i for b in branches for i in b.ids], dtype=np.int32)
    targets = np.full(len(token_ids), IGNORE_INDEX, dtype=np.int32)
    branch_ids = np.zeros(len(token_ids), dtype=np.int32)
    if positions is None:
        positions = np.arange(prefix)
    after = int(positions.max(initial=-1)) + 1
    position_ids = np.zeros((*positions.shape[:-1], len(token_ids)), dtype=np.int32)
    position_ids[..., :prefix] = positions
    start = prefix
    for number, branch in enumerate(branches, 1):
        end = start + len(branch.ids)
        branch_ids[start:end] = number
        position_ids[..., start:end] = np.arange(after, after + len(branch.ids))
        learnt = np.flatnonzero(branch.learnt)
        if len(learnt) and learnt[0] == 0:
            if prefix and len(branches) == 1:
                targets[prefix - 1] = branch.ids[0]
            learnt = learnt[1:]
        targets[start + learnt - 1] = token_ids[start + learnt]
        start = end
    is_image = np.zeros(len(token_ids), dtype=bool)
    is_image[:prefix] = prefix_is_image
    sample = Sample(token_ids, targets, branch_ids, position_ids, is_image, images, layouts, name, lost)
    if not sample.labels:
        raise UserError(f"{name}: no token to learn from. Give it an answer, or remove the row")
    return sample
