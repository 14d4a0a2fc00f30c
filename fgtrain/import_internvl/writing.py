"""Writing safetensors one tensor at a time: in memory is never more than the tensor that is being written."""

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Outgoing:
    """A tensor to be written; `make` is called when its turn comes."""

    name: str
    dtype: str  # as safetensors writes it
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * ITEM_BYTES[self.dtype]


def write_safetensors(path: Path, tensors: list[Outgoing], advance: Callable[[int], None]) -> None:
    """Write the file and wait for the disk. Wider types first, so that every tensor lies on its own boundary."""
    tensors = sorted(tensors, key=lambda tensor: (-ITEM_BYTES[tensor.dtype], tensor.name))
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for tensor in tensors:
        ends = [place, place + tensor.bytes]
        head[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": ends}
        place = ends[1]
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for tensor in tensors:
            data = tensor.make().contiguous().reshape(-1).view(torch.uint8).numpy()
            if data.nbytes != tensor.bytes:
                raise RuntimeError(f"{tensor.name} has {data.nbytes} bytes, not {tensor.bytes}")
            file.write(data.data)
            advance(1)
        file.flush()
        os.fsync(file.fileno())
