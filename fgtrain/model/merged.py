"""The weighted average of checkpoints of one model, tensor by tensor: memory holds a piece of one tensor of each.

Weight-space interpolation (WiSE-FT, arXiv 2109.01903) and model soups (arXiv 2203.05482); no GPU, and never a whole
model in memory.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.core_model_loading import revert_weight_conversion

from data_builders.shared.files import atomic_write, read_json, whole_folder, write_json
from data_builders.shared.progress import progress
from fgtrain.checksums import CARD, NOTES, SUMS, write_checksums

from .families import PARTS, family_of
from .sources import Source
from .weight_files import (
    SHARD,
    Stored,
    in_megabytes,
    is_of_weights,
    refuse_full_disk,
    refuse_other_bytes,
    stored_in,
    write_weights,
)


@dataclass(frozen=True)
class Average(Stored):
    """A tensor that is read from several files at once. `others`: (the same tensor elsewhere, its share)."""

    share: float = 1.0
    others: tuple[tuple[Stored, float], ...] = ()

    def pieces(self) -> Iterator[Tensor]:
        """Summed in fp32, as they are stored: checkpoints of a run are. What is equal in all stays so to the bit, as a
        part that runs have kept frozen.
        """
        for first, *more in zip(super().pieces(), *(one.pieces() for one, _ in self.others), strict=True):
            if all(torch.equal(first, piece) for piece in more):
                yield first
                continue
            total = first.float() * self.share
            for piece, (_, share) in zip(more, self.others, strict=True):
                total += piece.float() * share
            yield total.to(self.dtype)


def write_merged(
    folders: Mapping[str, Path],
    shares: Mapping[str, Mapping[str, float]],
    to: Path,
    extra: dict[str, Any],
    card: str | None = None,
    shard: int = SHARD,
) -> None:
    """Write the average of checkpoints to the new folder `to`, a checkpoint as `save_checkpoint` writes one.

    `folders`: name -> a verified checkpoint; all else than weights comes from the first. `shares`: part -> name ->
    share, coming to 1; a part with one name, and what is no floating-point number, is taken bit by bit. `extra`: as in
    `save_checkpoint`. UserError when the disk is full; RuntimeError when the checkpoints are not of one model.
    """
    first = next(iter(folders.values()))
    stored = {name: stored_in(sorted(folder.glob("*.safetensors"))) for name, folder in folders.items()}
    _refuse_other_models(stored)
    part_of = parts_in_files(first)
    tensors = {name: _average(name, stored, shares[part_of[name]]) for name in next(iter(stored.values()))}
    size = sum(tensor.bytes_as(tensor.dtype) for tensor in tensors.values())
    refuse_full_disk(to, size, "Make room there")
    with whole_folder(to) as temporary:
        for path in sorted(first.iterdir()):
            if path.is_file() and path.name not in (SUMS, CARD) and not is_of_weights(path):
                shutil.copyfile(path, temporary / path.name)
        write_json(temporary / NOTES, read_json(first / NOTES) | {"extra": extra})
        if card is not None:
            with atomic_write(temporary / CARD) as file:
                file.write(card)
        with progress(f"averaging {len(folders)} checkpoints", "MB", size >> 20, brief=True) as advance:
            written = write_weights(temporary, tensors, None, in_megabytes(advance), shard=shard)
        write_checksums(temporary)
        refuse_other_bytes(temporary, set(written.values()))


def parts_in_files(checkpoint: Path) -> dict[str, str]:
    """Name of a tensor as files have it, which differs from the model's own -> the part that it belongs to."""
    source = Source("checkpoint", str(checkpoint), network=False)
    config = source.config()
    family = family_of(config, str(checkpoint))
    with torch.device("meta"):
        model = family.model_class(config)
    # Each tensor holds the number of its part, in memory for one value; renaming and joining keep it.
    marked = {
        name: torch.full((), _part_of(name, family.parts), dtype=torch.int8).expand(tensor.shape)
        for name, tensor in model.state_dict().items()
    }
    return {
        name: PARTS[int(marks.flatten()[0]) if marks.numel() else 0]
        for name, marks in revert_weight_conversion(model, marked).items()
    }


def _part_of(name: str, paths: Mapping[str, tuple[str, ...]]) -> int:
    inside = [part for part in PARTS if any(name == path or name.startswith(f"{path}.") for path in paths[part])]
    # A projector may lie within the tower: the longest path has it.
    found = max(inside, key=lambda part: max(len(path) for path in paths[part] if name.startswith(path)), default=None)
    return PARTS.index(found or "language_model")  # its head lies beside it


def _average(name: str, stored: Mapping[str, Mapping[str, Stored]], shares: Mapping[str, float]) -> Stored:
    first, *others = shares
    one = stored[first][name]
    if not others or not one.dtype.is_floating_point:
        return one
    return Average(
        one.file, one.name, one.shape, one.dtype, shares[first], tuple((stored[o][name], shares[o]) for o in others)
    )


def _refuse_other_models(stored: Mapping[str, Mapping[str, Stored]]) -> None:
    shapes = [{name: (one.shape, one.dtype) for name, one in tensors.items()} for tensors in stored.values()]
    if any(other != shapes[0] for other in shapes[1:]):
        raise RuntimeError(f"checkpoints of other tensors cannot be averaged: {', '.join(stored)}")
