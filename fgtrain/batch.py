"""The one form in which data reaches a model, and the legend of the shapes in names.

    B  rows of a batch (packs)          T  tokens in a row               V  vocabulary
    N  images or tiles, in token order  P  image tokens of one           D  hidden size
    C, H, W  channels, height, width    S  supervised positions          F  vision feature size
    I  pictures, in token order         K  numbers about a picture       E  values of a patch

A row holds several samples; a sample is one prefix (image tokens) with branches: independent questions about that
image.
A token attends causally to its own sample's prefix and its own branch. Position ids restart at the branch point.
"""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from fgtrain.counts import Counts

IGNORE_INDEX = -100


@dataclass
class Batch:
    """A packed batch.

    `targets_BT[b, t]` is the token to predict *from* position t (already shifted, so that branch boundaries are
    handled once, where they are made), or IGNORE_INDEX.
    """

    token_ids_BT: Tensor  # int64; image positions hold any valid id, their embeddings are replaced
    targets_BT: Tensor  # int64
    weights_BT: Tensor  # float32, loss weight of each supervised position, 0 elsewhere
    sample_id_BT: Tensor  # int64; 0 = padding, samples from 1
    branch_id_BT: Tensor  # int64; 0 = prefix, branches from 1
    position_ids_BT: Tensor  # int64; [3, B, T] where positions have three axes (time, height, width)
    is_image_BT: Tensor  # bool; the positions that image tokens fill, in order
    pixels_NCHW: Tensor | None = None  # float32; one row an image or tile, in token order; patches: [N, E]
    shapes_IK: Tensor | None = None  # int64; what a family must know of each picture beside its pixels (Layout.shape)
    features_NPF: Tensor | None = None  # cached vision-encoder outputs, instead of pixels
    samples: list[str] = field(default_factory=list)  # "data_set/pass/row id" of each sample, for messages
    data_sets: list[str] = field(default_factory=list)  # data set of each sample, in order of (row, sample_id)
    num_samples: int = 0  # counted questions are branches; this counts mixture samples
    step_totals: tuple[float, ...] = ()  # of all of this device's micro-batches of the step: see StageLoss.totals
    fault: str | None = None  # why this device cannot make the step's micro-batches; every device then stops
    counts: Counts = field(default_factory=Counts)  # known where the batch is made, so that a GPU need not be asked

    def to(self, device: torch.device | str) -> "Batch":
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in moved.items()})

    def clone(self) -> "Batch":
        """The same in memory of its own."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: v.clone() if isinstance(v, Tensor) else v for k, v in values.items()})

    def pin_memory(self) -> "Batch":
        """In page-locked memory, from where a copy to a GPU does not hold up the program (DataLoader's pin_memory)."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: v.pin_memory() if isinstance(v, Tensor) else v for k, v in moved.items()})

    @property
    def label_tokens(self) -> int:
        return int((self.targets_BT != IGNORE_INDEX).sum())


@dataclass(frozen=True)
class Prompt:
    """All questions about one image (or about none), as tokens ready for generation.

    `prefix_ids` ends with the image tokens (or, without an image, holds what every text starts with); each branch goes
    on from there and ends where the answer begins. The tokens are those that training shows for the same turn.
    """

    prefix_ids: list[int]
    prefix_is_image: list[bool]  # as long as prefix_ids; True where an image token stands
    branches: list[list[int]]
    max_new_tokens: list[int]  # one a branch
    prefix_positions: list[list[int]] | None = None  # of each axis, as long as prefix_ids; None = 0, 1, 2, ...


def allowed_attention_BTT(sample_id_BT: Tensor, branch_id_BT: Tensor, joined_BT: Tensor | None = None) -> Tensor:
    """Boolean [B, T, T]: may query q see key k? Causal, same sample, and k in the prefix or in q's own branch.

    `joined_BT`: `joined_runs` of the image tokens, where those of one picture also see what follows within it.
    Padding sees itself only, so that no row of the softmax is empty.
    """
    T = sample_id_BT.shape[1]
    causal_TT = torch.ones(T, T, dtype=torch.bool, device=sample_id_BT.device).tril()
    q_sample, k_sample = sample_id_BT[:, :, None], sample_id_BT[:, None, :]
    q_branch, k_branch = branch_id_BT[:, :, None], branch_id_BT[:, None, :]
    same = (q_sample == k_sample) & (q_sample != 0) & ((k_branch == 0) | (k_branch == q_branch))
    itself = torch.eye(T, dtype=torch.bool, device=sample_id_BT.device)
    return (same & causal_TT) | itself if joined_BT is None else (same & causal_TT) | itself | joined_BTT(joined_BT)


def joined_runs(is_image_BT: Tensor) -> Tensor:
    """int64 [B, T]: which picture of its row an image token is of, from 1; 0 elsewhere. Pictures do not touch."""
    begins_BT = is_image_BT.clone()
    begins_BT[:, 1:] &= ~is_image_BT[:, :-1]
    return begins_BT.cumsum(1) * is_image_BT


def joined_BTT(runs_BT: Tensor) -> Tensor:
    """Boolean [B, T, T]: are query and key of one picture? `runs_BT`: as `joined_runs` gives them."""
    return (runs_BT[:, :, None] == runs_BT[:, None, :]) & (runs_BT != 0)[:, :, None]


def additive_mask_B1TT(
    sample_id_BT: Tensor, branch_id_BT: Tensor, dtype: torch.dtype, joined_BT: Tensor | None = None
) -> Tensor:
    """The same as a float mask [B, 1, T, T]. Float, because a boolean one is silently wrong under eager attention."""
    allowed = allowed_attention_BTT(sample_id_BT, branch_id_BT, joined_BT)[:, None]
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)
