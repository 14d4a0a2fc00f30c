"""An LVLM composed of a vision encoder, a projector and a language model, as one transformers model.

It saves and loads like any other (`AutoModel.from_pretrained`) once `fgtrain.model` is imported. The parts are the
library's own classes, built from the configs that this one holds.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from . import small_conv  # noqa: F401 - registers the small encoder, which a composed config may name
from .projector import build_projector, pixel_shuffle
from .vision import encoder_arguments, hidden_state, image_tokens


class ComposedConfig(PreTrainedConfig):
    """Configs of the two pretrained parts, and how they are put together."""

    model_type = "fgtrain_composed"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012 - the library's own form

    vision_config: Any = None
    text_config: Any = None
    projector: str = "mlp2x_gelu"
    projector_width: int | None = None  # None = the language model's hidden size
    vision_layer: int = -1
    vision_shuffle: bool = False  # 2 x 2 positions of the grid become one image token
    feature_size: int = 0  # F that the projector reads
    leading_tokens: int = 0  # class and register tokens, left out
    pooled_side: int | None = None  # None = no pooling
    image_size: int = 224
    image_tokens: int = 0  # per image, after pooling or shuffle

    def __post_init__(self, **kwargs: Any) -> None:
        for key in self.sub_configs:
            value = getattr(self, key)
            if isinstance(value, dict):
                setattr(self, key, AutoConfig.for_model(**value))
        if isinstance(self.text_config, PreTrainedConfig):
            self.tie_word_embeddings = getattr(self.text_config, "tie_word_embeddings", False)
        super().__post_init__(**kwargs)


class ComposedLVLM(PreTrainedModel):
    """Vision encoder -> projector -> language model."""

    config_class = ComposedConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: ComposedConfig) -> None:
        super().__init__(config)
        self.vision_encoder = AutoModel.from_config(config.vision_config, **encoder_arguments(config.vision_config))
        self.projector = build_projector(
            config.projector, config.feature_size, config.text_config.hidden_size, config.projector_width
        )
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def get_decoder(self) -> nn.Module:
        return self.language_model.get_decoder()

    def encode_images(self, pixels_NCHW: Tensor) -> Tensor:
        """[N, P, F]: the encoder's chosen layer, class and register tokens left out, pooled or shuffled."""
        state = hidden_state(self.vision_encoder, pixels_NCHW, self.config.vision_layer)
        tokens_NPF = image_tokens(state, self.config.leading_tokens, self.config.pooled_side)
        return pixel_shuffle(tokens_NPF) if self.config.vision_shuffle else tokens_NPF

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        image_mask: Tensor | None = None,
        **language_model_arguments: Any,
    ) -> CausalLMOutputWithPast:
        """Logits and the like. `image_mask` (bool, shaped as input_ids) says where image tokens stand."""
        embeds = self.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            images_NPD = self.projector(self.encode_images(pixel_values))
            if image_mask is None or int(image_mask.sum()) != images_NPD.shape[0] * images_NPD.shape[1]:
                raise ValueError(f"image_mask must mark {images_NPD.shape[0]} x {images_NPD.shape[1]} positions")
            embeds = embeds.masked_scatter(image_mask[..., None], images_NPD.to(embeds.dtype))
        return self.language_model(inputs_embeds=embeds, **language_model_arguments)


def assemble(config: ComposedConfig, vision_encoder: nn.Module, language_model: nn.Module) -> ComposedLVLM:
    """A composed model around two built parts; its projector is on the meta device, to be drawn."""
    with torch.device("meta"):
        model = ComposedLVLM(config)
    model.vision_encoder = vision_encoder
    model.language_model = language_model
    return model


AutoConfig.register(ComposedConfig.model_type, ComposedConfig, exist_ok=True)
AutoModel.register(ComposedConfig, ComposedLVLM, exist_ok=True)
AutoModelForImageTextToText.register(ComposedConfig, ComposedLVLM, exist_ok=True)
