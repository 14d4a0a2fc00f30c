"""What is known of a family of models, and what a recipe may change of its pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec

PARTS = ("vision_encoder", "projector", "language_model")


@dataclass(frozen=True)
class Wanted:
    """What a recipe says of a checkpoint's pictures; None: as the checkpoint has it. `place`: for messages."""

    image_size: int | None = None
    max_tiles: int | None = None
    max_pixels: int | None = None
    fit: str | None = None
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


@dataclass(frozen=True)
class Processor:
    """transformers' own of the family, which is written beside a checkpoint for other programs."""

    config: Callable[[PreTrainedConfig, ImageSpec], dict]  # processor_config.json: class, and what it is made with
    image: str | None = None  # class of the image processor, where `ImageSpec.settings` names none
    video: str | None = None  # class without which the processor cannot be made
    # (spec) -> what stands for a picture in a text; some processors put the tokens around it by themselves
    picture: Callable[[ImageSpec], str] = lambda spec: "".join((*spec.before, spec.token, *spec.after))


@dataclass(frozen=True)
class Family:
    """Attribute paths into the model. A part may be several modules (a decoder and its lm_head) or parameters."""

    model_class: type[PreTrainedModel]
    parts: dict[str, tuple[str, ...]]
    decoder: str  # gives last_hidden_state from inputs_embeds
    encode: Callable[[Any, Tensor, Tensor | None], Tensor]  # (model, pixels_NCHW, shapes_IK) -> features_NPF
    image_spec: Callable[[PreTrainedConfig, dict, Wanted], ImageSpec]  # (config, image processor's settings, recipe's)
    feature_size: Callable[[PreTrainedConfig], int] | None = None  # F; None: features come from the projector already
    # P of a square where its projector makes fewer image tokens of them; None: as many
    feature_tokens: Callable[[PreTrainedConfig], int] | None = None
    # (model, projected image tokens [N, P, D], shapes_IK) -> the tokens of all pictures [tokens, D], as they are read
    arrange: Callable[[Any, Tensor, Tensor | None], Tensor] | None = None
    # Do image tokens also enter behind the decoder's first layers? Each is then [D x (1 + layers)] wide: what stands in
    # its place among the embeddings, and what is added behind each of those layers (DeepStack).
    deepstack: bool = False
    joined_images: bool = False  # does each image token also see those of its own picture that follow?
    processor: Processor | None = None  # None: transformers has none
    chat: Callable[[Any], str] = lambda tokenizer: "qa"  # of a checkpoint that was published without one
