"""The vision tower of a model, its projector, and how each takes pixels."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from data_builders.shared.errors import UserError

TOWERS = ("vision_tower", "visual", "vision_model", "vision_encoder", "image_encoder")


def find_tower(model: nn.Module, config) -> nn.Module:
    """The vision tower of an LVLM or a CLIP-like pair; the model itself where it is an encoder. UserError."""
    if not hasattr(config, "vision_config") and not hasattr(config, "vision_encoder_config"):
        return model
    for holder in (model, getattr(model, "model", None)):
        for name in TOWERS:
            if isinstance(found := getattr(holder, name, None), nn.Module):
                return found.float()
    raise UserError(f"no vision tower found in {type(model).__name__}; looked for {', '.join(TOWERS)}")


def tower_run(tower: nn.Module, vision: object, size: int) -> Callable[[Tensor], object]:
    """Normalised pixels -> the tower's output, asking for interpolated positions where the size is not its own."""
    if is_qwen(vision):
        return lambda pixels: tower(*qwen_patches(pixels, vision))
    known = inspect.signature(tower.forward).parameters
    own = getattr(vision, "image_size", None)
    own = own[0] if isinstance(own, list | tuple) else own
    arguments = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known and own != size else {}
    return lambda pixels: tower(pixels, **arguments)


def projector_run(model: nn.Module, tower: nn.Module, vision: object) -> Callable[[Tensor], Tensor]:
    """Normalised pixels -> what the projector hands to the language model, [N, tokens, F]."""
    holder = next((one for one in (getattr(model, "model", None), model) if hasattr(one, "get_image_features")), None)
    if holder is None:
        raise UserError(f"{type(model).__name__} has no get_image_features, so its projector cannot be read")

    def run(pixels: Tensor) -> Tensor:
        if is_qwen(vision):
            flat, grid = qwen_patches(pixels, vision)
            output = holder.get_image_features(flat, image_grid_thw=grid)
        else:
            output = holder.get_image_features(pixel_values=pixels)
        tokens = getattr(output, "pooler_output", output)
        if isinstance(tokens, list | tuple):
            tokens = torch.stack(list(tokens))
        return tokens.reshape(len(pixels), -1, tokens.shape[-1])

    return run


def qwen_patches(pixels_NCHW: Tensor, vision: object) -> tuple[Tensor, Tensor]:
    """Square pictures as Qwen2-VL's rows of patches (each merged square's patches together) and their grid."""
    patch, merge = vision.patch_size, vision.spatial_merge_size
    pictures, channels, height, width = pixels_NCHW.shape
    if height % (patch * merge) or width % (patch * merge):
        raise UserError(f"--image-size {height} must be a multiple of {patch * merge} for this encoder")
    rows, columns = height // patch // merge, width // patch // merge
    tiles = pixels_NCHW.reshape(pictures, channels, rows, merge, patch, columns, merge, patch)
    tiles = tiles.permute(0, 2, 5, 3, 6, 1, 4, 7)  # picture, row, column, within the merged square, channel, pixels
    tiles = tiles.unsqueeze(6).expand(*tiles.shape[:6], vision.temporal_patch_size, *tiles.shape[6:])
    grid = torch.tensor([[1, rows * merge, columns * merge]], device=pixels_NCHW.device).repeat(pictures, 1)
    return tiles.reshape(pictures * rows * columns * merge**2, -1), grid


def vision_config_of(tower: nn.Module, config) -> object:
    """The tower's own configuration, else the one that its model has for it."""
    return getattr(tower, "config", None) or getattr(config, "vision_config", config)


def is_qwen(vision: object) -> bool:
    """Does the tower cut pictures as Qwen's do: in time, too, with patches merged afterwards?"""
    return hasattr(vision, "temporal_patch_size") and hasattr(vision, "spatial_merge_size")


def patch_of(vision: object) -> int | None:
    """Pixels of a square patch's side; None where the configuration does not tell."""
    patch = getattr(vision, "patch_size", None)
    patch = patch[0] if isinstance(patch, list | tuple) else patch
    return patch if isinstance(patch, int) else None


def without_language(model: nn.Module) -> nn.Module:
    """The model without its language model, which nothing here runs."""
    for holder in (model, getattr(model, "model", None)):
        for name in ("language_model", "lm_head"):
            if holder is not None and hasattr(holder, name):
                setattr(holder, name, None)
    return model.float().requires_grad_(False).eval()
