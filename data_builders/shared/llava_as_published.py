"""What LLaVA-1.5's own code does and its converted releases do not say: a system text, and pictures with borders."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

# conv_vicuna_v1 in llava/conversation.py, which trained the model and asks it everywhere.
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def published_fit(settings: Mapping[str, Any]) -> str:
    """pad, stretch or crop, from the image processor's settings (preprocessor_config.json).

    LLaVA-1.5 was trained and is asked with pictures padded to a square of the mean colour (`image_aspect_ratio pad`,
    expand2square in llava/mm_utils.py). Its converted releases name CLIP's processor, which crops: so settings that
    crop mean pad, unless they say `do_pad: false`.
    """
    if settings.get("do_pad"):
        return "pad"
    if settings.get("do_center_crop"):
        return "crop" if settings.get("do_pad") is False else "pad"
    return "stretch"


def padded(picture: Image.Image, mean: tuple[float, ...]) -> Image.Image:
    """The RGB picture in the middle of a square of the mean colour; `mean` in 0..1."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), tuple(int(value * 255) for value in mean))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square
