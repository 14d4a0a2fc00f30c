"""One part of a model at work without the rest: pictures are encoded, and text is drawn, by some of the weights."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedModel

from fgtrain.images import ImageSpec
from fgtrain.recipe.model_schema import Model

from .build import assembled, outline_model
from .checkpoint import load_checkpoint
from .composed import ComposedLVLM
from .hashes import part_hash
from .lvlm import LVLM
from .native import language_model_of
from .tensors import ALL, Tensors

# Some encoders put their features in order behind the projector, so the two run as one.
ENCODES = frozenset({"vision_encoder", "projector"})
SPEAKS = frozenset({"language_model"})


class Encoder:
    """A model's vision encoder, with layer choice and pooling; the language model is in no memory."""

    def __init__(self, lvlm: LVLM) -> None:
        """`lvlm`: a model of which at least the parts in `ENCODES` have tensors."""
        self.lvlm = lvlm
        self.image_spec: ImageSpec = lvlm.image_spec

    @property
    def device(self) -> torch.device:
        return next(self.lvlm.parts["vision_encoder"].parameters()).device

    def to(self, device: torch.device | str) -> "Encoder":
        """Itself, its tensors on another device."""
        self.lvlm._apply(lambda tensor: tensor if tensor.is_meta else tensor.to(device))
        return self

    @property
    def hash(self) -> str:
        """`part_hash` of the encoder of the whole model."""
        return part_hash(self.lvlm, "vision_encoder")

    @torch.no_grad()
    def encode_images(self, pixels_NCHW: Tensor, shapes_IK: Tensor | None = None) -> Tensor:
        """features_NPF in fp32 on its device, as `LVLM.encode_images`, whatever autocast is on where it is called."""
        device = self.device
        with torch.autocast(device.type, enabled=False):
            return self.lvlm.encode_images(pixels_NCHW.to(device), None if shapes_IK is None else shapes_IK.to(device))


class LanguageModel:
    """A model's language model with its tokenizer, for plain text; where it can, without the other parts."""

    def __init__(self, lvlm: LVLM) -> None:
        self.lvlm, self.tokenizer = lvlm, lvlm.tokenizer

    @property
    def model(self) -> PreTrainedModel:
        """What generates text."""
        return language_model_of(self.lvlm.hf) if stands_alone(self.lvlm) else self.lvlm.hf

    @property
    def hash(self) -> str:
        """`part_hash` of the language model of the whole model."""
        return part_hash(self.lvlm, "language_model")


def stands_alone(lvlm: LVLM) -> bool:
    """Has transformers a class for the language model by itself?"""
    return isinstance(lvlm.hf, ComposedLVLM) or type(lvlm.hf.config.text_config) in MODEL_FOR_CAUSAL_LM_MAPPING


def build_encoder(model: Model, *, network: bool, seed: int, device: torch.device | str = "cpu") -> Encoder:
    """The vision encoder that `build_model` would give a recipe's model. UserError as there."""
    return Encoder(assembled(model, network, Tensors(seed, ENCODES, device)))


def load_encoder(folder: Path, *, verify: bool = True, device: torch.device | str = "cpu") -> Encoder:
    """The vision encoder of a checkpoint's folder. UserError as `load_checkpoint`."""
    return Encoder(load_checkpoint(folder, verify=verify, device=device, parts=ENCODES))


def encoder_hash(model: Model, *, network: bool, seed: int) -> str:
    """`part_hash` of the encoder that the recipe's model starts with; no other weights are read."""
    return build_encoder(model, network=network, seed=seed).hash


def build_language_model(model: Model, *, network: bool, seed: int) -> LanguageModel:
    """The language model that `build_model` would give a recipe's model, on the CPU. UserError as there."""
    alone = stands_alone(outline_model(model, network=network, seed=seed))
    return LanguageModel(assembled(model, network, Tensors(seed, SPEAKS if alone else ALL)))
