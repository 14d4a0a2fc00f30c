"""Keys and values with room for more: a new token is written into place, and nothing that is there is copied."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

GROWTH = 1.5  # a full buffer is copied into one this much longer


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, `keys` and `values` being views of the filled part of longer buffers."""

    def __init__(self, keys_RHLd: Tensor, values_RHLd: Tensor, room: int) -> None:
        super().__init__()
        self.dtype, self.device = keys_RHLd.dtype, keys_RHLd.device
        self.is_initialized = True
        self.length = keys_RHLd.shape[-2]
        self.buffers = tuple(_longer(states, self.length, self.length + room) for states in (keys_RHLd, values_RHLd))
        self._show()

    def _show(self) -> None:
        self.keys, self.values = (buffer[:, :, : self.length] for buffer in self.buffers)

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        end = self.length + key_states.shape[-2]
        if end > self.buffers[0].shape[-2]:
            size = max(end, int(GROWTH * self.buffers[0].shape[-2]))
            self.buffers = tuple(_longer(buffer, self.length, size) for buffer in self.buffers)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, self.length : end] = states
        self.length = end
        self._show()
        return self.keys, self.values

    def truncate(self, length: int) -> None:
        """Forget all tokens after the first `length`."""
        self.length = length
        self._show()

    def select(self, rows: Tensor) -> None:
        self.buffers = tuple(
            _longer(buffer[rows.to(buffer.device), :, : self.length], self.length, buffer.shape[-2])
            for buffer in self.buffers
        )
        self._show()


class RoomyCache(DynamicCache):
    """A cache of `RoomyLayer`s that begins with what has been read of some prefixes."""

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], rows: Tensor, prefix: int, room: int) -> None:
        """`rows`: the prefix that each row begins with; `prefix`: tokens of it; `room`: for tokens to come."""
        super().__init__()
        self.layers = []
        for keys, values in layers:
            at = rows.to(keys.device)
            # Built layer by layer, so that no more than one layer is ever held twice.
            self.layers.append(RoomyLayer(keys[at, :, :prefix], values[at, :, :prefix], room))

    def truncate(self, length: int) -> None:
        for layer in self.layers:
            layer.truncate(length)

    def select(self, rows: Tensor) -> None:
        for layer in self.layers:
            layer.select(rows)


def _longer(states: Tensor, length: int, size: int) -> Tensor:
    """A buffer of `size` tokens that begins with the first `length` of `states`."""
    R, H, _, d = states.shape
    # Zeros, not empty: a masked place must not hold NaN, which times zero is NaN.
    buffer = torch.zeros(R, H, size, d, dtype=states.dtype, device=states.device)
    buffer[:, :, :length] = states[:, :, :length]
    return buffer
