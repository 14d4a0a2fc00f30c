"""Safetensors files written piece by piece: a model of any size is copied through little memory."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data_builders.shared.files import write_json
from fgtrain.checksums import SUMS
from fgtrain.errors import UserError

WEIGHTS = (".safetensors", ".safetensors.index.json")
SPARE = 64 << 20  # bytes for the small files beside them
PIECE = 64 << 20  # bytes that are held at a time
SHARD = 5 * 10**9  # bytes of the largest file, as transformers writes them
TYPES = {  # as the format spells them, see https://github.com/huggingface/safetensors
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in TYPES.items()}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file. `name` is its name there."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    def bytes_as(self, dtype: torch.dtype) -> int:
        return prod(self.shape) * dtype.itemsize

    def target(self, wanted: torch.dtype | None) -> torch.dtype:
        """The type that it is written in: only floating point changes. None: as it is."""
        return wanted if wanted is not None and self.dtype.is_floating_point else self.dtype

    def pieces(self) -> Iterator[Tensor]:
        """Its values, some rows at a time."""
        with safe_open(self.file, framework="pt") as file:
            if len(self.shape) < 2:
                yield file.get_tensor(self.name)
                return
            rows = max(1, PIECE * self.shape[0] // max(1, self.bytes_as(self.dtype)))
            values = file.get_slice(self.name)
            for first in range(0, self.shape[0], rows):
                yield values[first : first + rows]


def stored_in(files: Iterable[Path]) -> dict[str, Stored]:
    """Name -> tensor of safetensors files; only their heads are read. UserError for a file that is none."""
    found = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    head = file.get_slice(name)
                    found[name] = Stored(path, name, tuple(head.get_shape()), TYPES[head.get_dtype()])
        except (SafetensorError, KeyError) as error:
            raise UserError(f"{path} cannot be read as safetensors ({error}). Put the original file back") from None
    return found


def write_weights(
    folder: Path,
    tensors: Mapping[str, Stored],
    dtype: torch.dtype | None,
    advance: Callable[[int], None],
    shard: int | None = None,
    stem: str = "model",
) -> dict[str, str]:
    """`tensors` under their new names into <stem>.safetensors, or into files of up to `shard` bytes and their index;
    returns file -> sha256 of what was written. Floating-point values become `dtype`. `advance` is told of bytes.
    """
    parts: list[dict[str, Stored]] = [{}]
    size = 0
    # The widest values first, so that each begins at a multiple of its own size, as readers want it.
    for name, tensor in sorted(tensors.items(), key=lambda one: (-one[1].target(dtype).itemsize, one[0])):
        more = tensor.bytes_as(tensor.target(dtype))
        if parts[-1] and shard is not None and size + more > shard:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += more
    names = [f"{stem}.safetensors"]
    if len(parts) > 1:
        names = [f"{stem}-{number:05d}-of-{len(parts):05d}.safetensors" for number in range(1, len(parts) + 1)]
        total = sum(tensor.bytes_as(tensor.target(dtype)) for tensor in tensors.values())
        places = {name: file for file, part in zip(names, parts, strict=True) for name in part}
        write_json(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})
    return {file: _write_file(folder / file, part, dtype, advance) for file, part in zip(names, parts, strict=True)}


def _write_file(
    path: Path, tensors: Mapping[str, Stored], dtype: torch.dtype | None, advance: Callable[[int], None]
) -> str:
    head: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        kind = tensor.target(dtype)
        begin, end = end, end + tensor.bytes_as(kind)
        head[name] = {"dtype": NAMES[kind], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)  # the values begin at a multiple of 8 bytes
    digest = sha256()
    with open(path, "wb") as file:

        def put(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        put(len(text).to_bytes(8, "little"))
        put(text)
        for tensor in tensors.values():
            for piece in tensor.pieces():
                values = piece.to(tensor.target(dtype)).contiguous().reshape(-1).view(torch.uint8)
                put(values.numpy().data)
                advance(values.numel())
    return digest.hexdigest()


def is_of_weights(path: Path) -> bool:
    """Is it a file of weights, or the index of several?"""
    return path.name.endswith(WEIGHTS)


def in_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    """What is told of bytes, for a bar that counts megabytes."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        advance((done + count >> 20) - (done >> 20))
        done += count

    return more


def refuse_full_disk(to: Path, size: int, way_on: str) -> None:
    """UserError where the disk of the new folder `to` has no room for so many bytes of weights."""
    free = shutil.disk_usage(to.parent).free
    if free < size + SPARE:
        raise UserError(
            f"{to} needs {(size + SPARE) / 1e9:,.1f} GB and its disk has {free / 1e9:,.1f} GB left. {way_on}"
        )


def refuse_other_bytes(folder: Path, written: set[str]) -> None:
    """RuntimeError unless SHA256SUMS, made of what lies on the disk, has every file that was written. `written`: their
    sha256."""
    found = {line.split()[0] for line in (folder / SUMS).read_text(encoding="utf-8").splitlines()}
    if not written <= found:
        raise RuntimeError(f"{folder}: weights read back otherwise than they were written")
