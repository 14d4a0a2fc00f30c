"""Folders in timm's and open_clip's formats, behind the extra `timm`: both need torchvision."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..shared.pretrained import first_line
from .own_layouts import load_strictly, model_folder, read_tensors
from .transform import CLIP_MEAN, CLIP_STD, ImageTransform


def load_timm(source: str) -> tuple[nn.Module, SimpleNamespace, ImageTransform]:
    """(model, sizes, transform) of a folder or hub id in timm's format (config.json with `architecture`). UserError."""
    timm = _import("timm")
    folder = model_folder(source)
    config = read_json(folder / "config.json")
    architecture, about = config.get("architecture"), config.get("pretrained_cfg", config)
    if not isinstance(architecture, str):
        raise UserError(f"{folder / 'config.json'}: no `architecture`; is this a model in timm's format?")
    arguments = config.get("model_args", {}) | {"num_classes": config.get("num_classes", 0)}
    try:
        model = timm.create_model(architecture, pretrained=False, **arguments)
    except (RuntimeError, TypeError) as error:
        raise UserError(f"--model {source}: timm cannot build {architecture!r} ({first_line(error)})") from None
    load_strictly(model, read_tensors(folder), source)
    size, ratio = about.get("input_size", [3, 224, 224])[-1], about.get("crop_pct") or 1.0
    mean, std = tuple(about.get("mean", CLIP_MEAN)), tuple(about.get("std", CLIP_STD))
    transform = ImageTransform(size, int(size / ratio), True, about.get("interpolation", "bicubic"), mean, std)
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", (None,))[0]
    return model, SimpleNamespace(image_size=size, patch_size=patch, run=model.forward_features), transform


def load_open_clip(source: str) -> tuple[nn.Module, SimpleNamespace, ImageTransform]:
    """The vision tower of a folder or hub id in open_clip's format (open_clip_config.json). UserError."""
    open_clip = _import("open_clip")
    folder = model_folder(source)
    config = read_json(folder / "open_clip_config.json")
    try:
        settings, about = config["model_cfg"], config.get("preprocess_cfg", {})
        tower = open_clip.model._build_vision_tower(settings["embed_dim"], settings["vision_cfg"])
        size, patch = settings["vision_cfg"]["image_size"], settings["vision_cfg"].get("patch_size")
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / 'open_clip_config.json'}: {first_line(error)}") from None
    load_strictly(tower, read_tensors(folder, "visual."), source)
    mean, std = tuple(about.get("mean", CLIP_MEAN)), tuple(about.get("std", CLIP_STD))
    transform = ImageTransform(size, size, True, about.get("interpolation", "bicubic"), mean, std)

    def run(pixels: Tensor) -> Tensor:
        # the pooled output is not read: hooks see the blocks, this is only for the number of tokens
        tower(pixels)
        return torch.zeros(len(pixels), (pixels.shape[-1] // patch) ** 2 + 1, 1)

    return tower, SimpleNamespace(image_size=size, patch_size=patch, run=run), transform


def _import(name: str):
    try:
        return __import__(name)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"this model needs {name}, and it torchvision: pip install -e '.[timm]' ({first_line(error)})"
        ) from None
