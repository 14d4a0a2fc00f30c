"""How a picture becomes pixels: resized and cropped as the model's own image processor does, not yet normalised."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image

RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # PIL's numbers
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageTransform:
    """Resize, crop the centre to a square, scale to 0..1; mean and std are for later."""

    size: int  # pixels of the square that comes out
    resize: int  # pixels of the edge that pictures are resized to before the crop
    keep_aspect: bool  # the shortest edge becomes `resize`; else both edges do
    resample: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Path) -> Tensor:
        """float32 [3, size, size] in 0..1. UserError when the file is no picture."""
        picture = open_image(image)
        edges = (self.resize, self.resize)
        if self.keep_aspect:
            width, height = picture.size
            # as transformers does: the longer edge is cut off to whole pixels
            longer = int(self.resize * max(width, height) / min(width, height))
            edges = (self.resize, longer) if width <= height else (longer, self.resize)
        picture = picture.resize(edges, getattr(Image.Resampling, self.resample.upper()))
        left, top = (edges[0] - self.size) // 2, (edges[1] - self.size) // 2
        picture = picture.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(picture, np.uint8)).permute(2, 0, 1).float() / 255

    def at(self, size: int) -> "ImageTransform":
        """The same at another size; the resized edge keeps its proportion to the crop."""
        return replace(self, size=size, resize=round(self.resize * size / self.size))


def dinov2_transform(size: int = 224) -> ImageTransform:
    """DINOv2's evaluation view, FG-BMK's for every model: shortest edge 256 bicubic, centre 224, ImageNet's mean."""
    return ImageTransform(size, round(size * 256 / 224), True, "bicubic", IMAGENET_MEAN, IMAGENET_STD)


def transform_of(settings: dict, place: str, size: int | None = None) -> ImageTransform:
    """What a preprocessor_config.json says; `size` overrides its own, and stands in where it has none.

    UserError names `place` when the settings say something that is not known here.
    """
    if settings.get("do_normalize") is False:
        settings = {**settings, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, std = (_three(settings, key, place) for key in ("image_mean", "image_std"))
    factor = settings.get("rescale_factor", 1 / 255)
    if settings.get("do_rescale") is False or abs(factor * 255 - 1) > 1e-3:
        raise UserError(f"{place}: rescales pixels by {factor}; only 1/255 is known")
    resample = settings.get("resample", 3)
    if resample not in RESAMPLE:
        raise UserError(f"{place}: resample is {resample!r}; known are {', '.join(map(str, RESAMPLE))}")
    edge, keep_aspect = _edge(settings.get("size"))
    crop, _ = _edge(settings.get("crop_size")) if settings.get("do_center_crop") else (None, False)
    if edge is None:
        edge, keep_aspect, crop = size, False, None  # pictures of any size (Qwen2-VL): a square stands for them
    if edge is None:
        raise UserError(f"{place}: size is {settings.get('size')!r}, not an edge. Add --image-size")
    if keep_aspect and "crop_pct" in settings and crop is None:  # ConvNeXt: enlarged by 1 / crop_pct, then cropped
        crop = edge
        edge, keep_aspect = (int(edge / (settings["crop_pct"] or 1.0)), True) if edge < 384 else (edge, False)
    if crop is None or crop > edge:
        # without a crop pictures of other shapes would come out: stretched to the square
        crop, keep_aspect = edge, False
    transform = ImageTransform(crop, edge, keep_aspect, RESAMPLE[resample], mean, std)
    return transform if size is None or size == crop else transform.at(size)


def _three(settings: dict, key: str, place: str) -> tuple[float, ...]:
    value = settings.get(key)
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(one, int | float) for one in value)):
        raise UserError(f"{place}: {key} is {value!r}; three numbers are needed")
    return tuple(map(float, value))


def _edge(value: object) -> tuple[int | None, bool]:
    """(pixels, whether they are of the shortest edge); (None, False) where no single edge is named."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, True
    if isinstance(value, dict) and "longest_edge" not in value:
        if "shortest_edge" in value:
            return int(value["shortest_edge"]), True
        if value.get("height") == value.get("width") and value.get("height"):
            return int(value["height"]), False
    return None, False
