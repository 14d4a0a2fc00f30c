"""The ImageSpec of each family's checkpoints, from config.json and the image processor's settings beside it."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig

from fgtrain.errors import UserError
from fgtrain.images import AnyRes, ImageSpec, Native, Square, Tiles

from .family_features import layers_of
from .preprocessing import own_size, pixel_values
from .vision import vision_shape

DEFAULT_TILES = 12  # of transformers' image processor
DEFAULT_PIXELS = (56 * 56, 28 * 28 * 1280)


@dataclass(frozen=True)
class Wanted:
    """What a recipe says of a checkpoint's pictures; None: as the checkpoint has it. `place`: for messages."""

    image_size: int | None = None
    max_tiles: int | None = None
    max_pixels: int | None = None
    place: str = "preprocessor_config.json"

    def refuse(self, *keys: str) -> None:
        """UserError for a value of a key that this family's pictures do not have."""
        for key, instead in (("max_tiles", 1), ("max_pixels", "null")):
            value = getattr(self, key)
            if key in keys and value not in (None, instead):
                raise UserError(
                    f"model.{key} is {value}, but the pictures of {self.place} are not made so. Write {key}: {instead}"
                )

    def same_size(self, size: int) -> None:
        """UserError when the recipe wants another size than the checkpoint can take."""
        if self.image_size not in (None, size):
            raise UserError(
                f"model.image_size is {self.image_size}, but {self.place} was made for {size} px. Write "
                f"image_size: {size}, or leave it out"
            )


def composed(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles", "max_pixels")
    wanted.same_size(config.image_size)
    return Square(size=config.image_size, tokens=config.image_tokens, **pixel_values(settings, wanted.place))


def llava(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    """Whatever the settings say of cropping, pictures are resized to a square."""
    wanted.refuse("max_tiles", "max_pixels")
    size = wanted.image_size or own_size(settings, wanted.place)
    shape = vision_shape(config.vision_config, size, layers_of(config)[0], "model.checkpoint")
    dropped = 1 if config.vision_feature_select_strategy == "default" else 0
    tokens = shape.side**2 + shape.leading - dropped
    return Square(size=size, tokens=tokens, **pixel_values(settings, wanted.place))


def llava_onevision(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles", "max_pixels")
    size = config.vision_config.image_size
    wanted.same_size(size)
    side = size // config.vision_config.patch_size
    if config.vision_feature_select_strategy != "full":
        raise UserError(
            f"{wanted.place}: vision_feature_select_strategy is {config.vision_feature_select_strategy!r}, with which "
            f"squares of patches are not whole. Only 'full' is known"
        )
    return AnyRes(
        size=size,
        tokens=side**2,
        side=side,
        resolutions=tuple((high, wide) for high, wide in config.image_grid_pinpoints),
        max_squares=int(config.vision_aspect_ratio.removeprefix("anyres_max_")),
        **pixel_values(settings, wanted.place),
    )


def internvl(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_pixels")
    size = side_of(config.vision_config.image_size)
    wanted.same_size(size)
    most = wanted.max_tiles or settings.get("max_patches", DEFAULT_TILES)
    return Tiles(
        size=size,
        tokens=round((size // side_of(config.vision_config.patch_size) * config.downsample_ratio) ** 2),
        max_tiles=most,
        min_tiles=min(most, settings.get("min_patches", 1)),
        before=("<img>",),
        after=("</img>",),
        **pixel_values(settings, wanted.place),
    )


def qwen2_5_vl(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles")
    if wanted.image_size is not None:
        raise UserError(
            f"model.image_size is {wanted.image_size}, but {wanted.place} takes pictures in their own size. Leave it "
            f"out, and limit them by model.max_pixels"
        )
    sizes = settings.get("size") or {}
    fewest = settings.get("min_pixels") or sizes.get("shortest_edge") or DEFAULT_PIXELS[0]
    most = wanted.max_pixels or settings.get("max_pixels") or sizes.get("longest_edge") or DEFAULT_PIXELS[1]
    vision = config.vision_config
    unit = vision.patch_size * vision.spatial_merge_size
    if most < unit**2:
        raise UserError(f"model.max_pixels is {most}, which is less than one image token. Write {unit**2} or more")
    return Native(
        patch=vision.patch_size,
        merge=vision.spatial_merge_size,
        frames=vision.temporal_patch_size,
        min_pixels=min(fewest, most),
        max_pixels=most,
        before=("<|vision_start|>",),
        after=("<|vision_end|>",),
        **pixel_values(settings, wanted.place),
    )


def side_of(value: Any) -> int:
    """A side's length where the config gives one number, or height and width."""
    return value if isinstance(value, int) else value[0]
