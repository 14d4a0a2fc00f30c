"""Vision encoders for pictures of any size: pictures, and windows of pictures, attend in a few calls a layer.

transformers makes one call a window and layer, and waits for the GPU before each layer to learn the windows' lengths.
Here lengths are read once a batch. Windows of one length then lie side by side in one call of SDPA; where the device
has flash attention for stretches of any length, a layer is one call.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.vision_utils import (
    get_vision_cu_seqlens,
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
    get_vision_window_index,
)

from .attention_choice import way_for
from .varlen_attention import FlashKernel, varlen_attention
from .varlen_parts import Part

# transformers gives the ends of stretches to attention functions of a name with "flash", and splits for all others.
TOWER = "fgtrain_flash_tower"


@dataclass(frozen=True)
class Stretches:
    """Patches that see each other: stretches of a row of patches, one after the other."""

    lengths: list[int]
    order: Tensor | None  # int64: the patches by the length of their stretch; None: as they lie
    back: Tensor | None  # the inverse of it
    ends: Tensor  # int32 [stretches + 1]

    @classmethod
    def of(cls, ends: Tensor, device: torch.device) -> "Stretches":
        """`ends`: int32, on the host."""
        lengths = ends.diff()
        if len(lengths) == 0 or bool((lengths == lengths[0]).all()):
            return cls(lengths.tolist(), None, None, ends.to(device))
        by_length = torch.argsort(lengths, stable=True)
        order = torch.argsort(torch.argsort(by_length).repeat_interleave(lengths.long()), stable=True)
        back = torch.argsort(order)
        moved = [x.to(device, non_blocking=True) for x in (order, back, ends)]
        return cls(sorted(lengths.tolist()), *moved)

    def groups(self) -> list[tuple[int, int]]:
        """(length, how many stretches have it), in the order of `order`."""
        return [(length, self.lengths.count(length)) for length in sorted(set(self.lengths))]


@torch.compiler.disable
def tower_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    stretches: dict[int, Stretches] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention function: [1, heads, patches, d] to [1, patches, heads, d].

    `stretches`: the encoder's, by their number; without them their ends are read from the device.
    """
    if stretches is None:
        mine = Stretches.of(cu_seq_lens_q.cpu(), query.device)
    else:
        mine = stretches[len(cu_seq_lens_q) - 1]
    device = query.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    q, k, v = (x[0].transpose(0, 1).to(dtype) for x in (query, key, value))
    _, heads, size = q.shape
    if not dropout and way_for((heads, heads, size), query.device, dtype).name == "varlen":
        longest = max(mine.lengths)
        part = Part(None, None, mine.ends, mine.ends, longest, longest, causal=False)
        return varlen_attention(q, k, v, [part], scaling, FlashKernel())[None], None
    if mine.order is not None:
        q, k, v = (x.index_select(0, mine.order) for x in (q, k, v))
    found, begin = [], 0
    for length, count in mine.groups():
        end = begin + length * count
        side_by_side = [x[begin:end].unflatten(0, (count, length)).transpose(1, 2) for x in (q, k, v)]
        out = F.scaled_dot_product_attention(*side_by_side, dropout_p=dropout, scale=scaling)
        found.append(out.transpose(1, 2).flatten(0, 1))
        begin = end
    out = found[0] if len(found) == 1 else torch.cat(found)
    return (out if mine.back is None else out.index_select(0, mine.back))[None], None


AttentionInterface.register(TOWER, tower_attention)


def run_tower(visual: PreTrainedModel, patches_NE: Tensor, grids_I3: Tensor) -> Any:
    """What the encoder of Qwen2-VL and its kin makes of pictures. `grids_I3`: frames, rows and columns of patches."""
    if visual.blocks[0].attn.config._attn_implementation == "sdpa":
        _use_tower_attention(visual)
    if visual.blocks[0].attn.config._attn_implementation != TOWER:
        return visual(patches_NE, grid_thw=grids_I3)
    return visual(patches_NE, grid_thw=grids_I3, **_known_before(visual, grids_I3.cpu(), patches_NE.device))


def _use_tower_attention(visual: PreTrainedModel) -> None:
    # The layers alone: transformers builds no model of a config that names flash attention it has not got.
    config = copy.copy(visual.config)
    config._attn_implementation_internal = TOWER
    for block in visual.blocks:
        block.attn.config = config


def _known_before(visual: PreTrainedModel, grids_I3: Tensor, device: torch.device) -> dict[str, Any]:
    """What the encoder would work out of the grids itself, for each batch and on the device."""
    merge = visual.spatial_merge_size
    ends = get_vision_cu_seqlens(grids_I3)
    found = {"position_ids": get_vision_position_ids(grids_I3, merge)}
    all_ends = [ends]
    if hasattr(visual, "fullatt_block_indexes"):
        found["window_index"], window_ends = get_vision_window_index(
            grids_I3, spatial_merge_size=merge, window_size=visual.window_size, patch_size=visual.patch_size
        )
        all_ends.append(window_ends)
    if hasattr(visual, "num_grid_per_side"):
        found["interp_indices"], found["interp_weights"] = get_vision_interpolation_indices_and_weights(
            grids_I3,
            num_grid_per_side=visual.num_grid_per_side,
            mode=visual.interpolation_mode,
            align_corners=visual.interpolation_align_corners,
            spatial_merge_size=visual.config.spatial_merge_size,
        )
    moved: dict[str, Any] = {name: value.to(device, non_blocking=True) for name, value in found.items()}
    # Windows lie within pictures: as many windows as pictures are the pictures, so their number tells which are meant.
    stretches = {len(one) - 1: Stretches.of(one, device) for one in all_ends}
    for name, of in zip(("", "_window"), all_ends, strict=False):
        mine = stretches[len(of) - 1]
        moved |= {f"cu{name}_seqlens": mine.ends, f"max{name}_seqlen": max(mine.lengths)}
    return moved | {"stretches": stretches}
