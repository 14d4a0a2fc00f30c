"""A picture as one family of models takes it: its tensors, and the tokens that stand for it in a prompt.

Image processors are transformers' own on PIL, which need no torchvision and give the same pixels everywhere. Processors
that join pictures and texts are asked only for families that are not in the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_builders.shared.errors import UserError
from data_builders.shared.llava_as_published import padded, published_fit
from data_builders.shared.pictures import ChangedPicture, open_image

from ...shared.pretrained import first_line, quiet
from .processors import load_image_processor, load_processor

# Vision towers whose first output is a class token, which LLaVA counts as one of its image tokens.
WITH_CLASS_TOKEN = ("clip_vision_model",)
WITHOUT_CLASS_TOKEN = ("siglip_vision_model", "siglip2_vision_model")
QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
TEXT_KEYS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True)
class Picture:
    tensors: Mapping[str, Tensor]  # what the model's forward takes besides tokens
    run: list[int]  # the tokens that take the placeholder's place
    lead: str = ""  # white space before them, which is cut into tokens together with the text before it


class PictureReader:
    """Reads pictures for one model."""

    def __init__(self, source: str, config: Any, tokenizer: Any, image_token_id: int) -> None:
        self.config, self.tokenizer, self.image_token_id = config, tokenizer, image_token_id
        self.source = source
        self.count = image_token_count(config)
        self.batches = self.count is not None  # tensors of several pictures may be put one behind the other
        with quiet():
            if self.batches:
                self.processor = load_image_processor(source)
                self.joint = None
            else:
                self.joint = load_processor(source, config, tokenizer)
                self.processor = getattr(self.joint, "image_processor", None)
        self.pads = config.model_type == "llava" and published_fit(self.processor.to_dict()) == "pad"

    @property
    def placeholder(self) -> int:
        """The token that a chat template writes for a picture."""
        named = getattr(self.joint, "image_token", None)
        return self.tokenizer.convert_tokens_to_ids(named) if named else self.image_token_id

    @property
    def settings(self) -> dict:
        """All that decides what a picture becomes."""
        made_by = self.processor.to_dict() if self.processor is not None else {"processor": type(self.joint).__name__}
        return made_by | ({"fit": "pad"} if self.pads else {})

    def read(self, image: Path | ChangedPicture) -> Picture:
        """UserError when the picture cannot be read."""
        return self.picture(open_image(image).convert("RGB"))

    def picture(self, image: Any) -> Picture:
        if self.joint is not None:
            return self._by_processor(image)
        if self.pads:
            image = padded(image, tuple(self.processor.image_mean))
        extra = {"crop_to_patches": True} if self.config.model_type == "internvl" else {}
        tensors = dict(self.processor(images=[image], return_tensors="pt", **extra))
        run = [self.image_token_id] * self.count(self.config, tensors)
        tensors.pop("num_patches", None)
        if self.config.model_type == "internvl":
            ends = [getattr(self.tokenizer, f"{end}_image_token", None) for end in ("start", "end")]
            names = [name or default for name, default in zip(ends, ("<img>", "</img>"), strict=True)]
            start, end = self.tokenizer.convert_tokens_to_ids(names)
            run = [start, *run, end]
        return Picture(tensors, run)

    def _by_processor(self, image: Any) -> Picture:
        """From a processor that joins picture and text: what it put in place of the placeholder."""
        placeholder = self.tokenizer.convert_ids_to_tokens(self.placeholder)
        text = f"{placeholder}x"
        try:
            made = self.joint(text=[text], images=[image], return_tensors="pt")
        except (ValueError, TypeError, IndexError) as error:
            raise UserError(
                f"--model {self.source}: its processor cannot take a picture ({first_line(error)})"
            ) from None
        ids = made["input_ids"][0].tolist()
        plain = self.tokenizer(text)["input_ids"]
        place = plain.index(self.placeholder)
        after = len(plain) - place - 1
        run = ids[place : len(ids) - after]
        foreign = [key for key in made if key not in TEXT_KEYS and key.endswith("input_ids")]
        if ids[:place] != plain[:place] or ids[len(ids) - after :] != plain[place + 1 :] or foreign:
            raise UserError(
                f"--model {self.source}: {type(self.joint).__name__} writes more into a prompt than its picture; this "
                "family cannot be asked here. Serve it (vLLM, transformers serve) and give --model endpoint:NAME"
            )
        texts = [self.tokenizer.decode([one]) for one in run]
        blank = next(i for i, text in enumerate(texts) if not text.isspace())
        tensors = {key: value for key, value in made.items() if key not in TEXT_KEYS}
        return Picture(tensors, run[blank:], "".join(texts[:blank]))


def image_token_count(config: Any) -> Callable[[Any, Mapping[str, Tensor]], int] | None:
    """How many image tokens a picture's tensors become, for the families known here."""
    kind, tower = config.model_type, getattr(getattr(config, "vision_config", None), "model_type", None)
    if kind == "llava" and tower in WITH_CLASS_TOKEN + WITHOUT_CLASS_TOKEN:
        return llava_tokens
    if kind == "internvl":
        return internvl_tokens
    if kind in QWEN:
        return qwen_tokens
    if kind == "blip-2":
        return lambda config, tensors: config.num_query_tokens
    return None


def llava_tokens(config: Any, tensors: Mapping[str, Tensor]) -> int:
    height, width = tensors["pixel_values"].shape[-2:]
    patch, vision = config.vision_config.patch_size, config.vision_config.model_type
    dropped = config.vision_feature_select_strategy == "default"
    return (height // patch) * (width // patch) + (vision in WITH_CLASS_TOKEN) - dropped


def internvl_tokens(config: Any, tensors: Mapping[str, Tensor]) -> int:
    tiles, _, height, width = tensors["pixel_values"].shape
    patch = config.vision_config.patch_size
    patch_height, patch_width = (patch, patch) if isinstance(patch, int) else patch
    tokens = (height // patch_height) * (width // patch_width) * config.downsample_ratio**2
    return tiles * round(tokens)


def qwen_tokens(config: Any, tensors: Mapping[str, Tensor]) -> int:
    return int(tensors["image_grid_thw"].prod()) // config.vision_config.spatial_merge_size**2


def together(pictures: list[Picture], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of several pictures one behind the other, on the device, pixels in the model's precision."""
    joined = {key: torch.cat([one.tensors[key] for one in pictures]) for key in pictures[0].tensors} if pictures else {}
    return {
        key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
        for key, value in joined.items()
        if isinstance(value, Tensor)
    }
