"""Parts that transformers has a class for, and the same model by the project's forward pass and by transformers'."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from model_fakes import IMAGE_SIZE, drawn_module, write_preprocessor
from torch import Tensor
from transformers import (
    BeitConfig,
    BeitModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    InternVLVisionConfig,
    InternVLVisionModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTModel,
)

from fgtrain.data.image import ImageRef
from fgtrain.data.packing import pack
from fgtrain.data.sample import Branch, assemble
from fgtrain.model import LVLM

SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
GRID = {"image_size": IMAGE_SIZE, "patch_size": 8}
TOWERS = {
    "CLIP": (CLIPVisionModel, CLIPVisionConfig(**SIZES, **GRID, initializer_factor=4.0)),
    "SigLIP": (SiglipVisionModel, SiglipVisionConfig(**SIZES, **GRID)),
    "ViT": (ViTModel, ViTConfig(**SIZES, **GRID)),
    "BEiT": (BeitModel, BeitConfig(**SIZES, **GRID)),
    "DINOv2": (Dinov2Model, Dinov2Config(**SIZES, **GRID)),
    "InternViT": (InternVLVisionModel, InternVLVisionConfig(**SIZES, **GRID)),
}


def write_tower(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Path:
    make, config = TOWERS[name]
    # Pooling heads are left out, as in many released encoders.
    arguments = {"add_pooling_layer": False} if name in ("ViT", "BEiT") else {}
    drawn_module(lambda c: make(c, **arguments), config).to(dtype).save_pretrained(folder)
    write_preprocessor(folder)
    return folder


def some_text(lvlm: LVLM, count: int, seed: int) -> list[int]:
    """Ids without special tokens."""
    special = set(lvlm.tokenizer.all_special_ids) | set(lvlm.tokenizer.added_tokens_decoder)
    ids = [i for i in range(min(60, lvlm.lm_head.weight.shape[0])) if i not in special]
    return np.random.default_rng(seed).choice(ids, count).tolist()


@torch.no_grad()
def own_losses(lvlm: LVLM, ids: list[int], is_image: list[bool], pixels_NCHW: Tensor) -> Tensor:
    """Cross entropy of every token behind the image but the first, by the project's forward pass."""
    prefix = max(i for i, flag in enumerate(is_image) if flag) + 1
    text = ids[prefix:]
    sample = assemble(
        ids[:prefix],
        is_image[:prefix],
        [Branch(text, [False] + [True] * (len(text) - 1))],
        max_tokens=10_000,
        images=tuple(ImageRef(Path("x")) for _ in pixels_NCHW),
        name="x",
    )
    return lvlm.token_losses_S(pack([sample], 10_000, pixels_NCHW=pixels_NCHW))


@torch.no_grad()
def native_losses(hf: Any, ids: list[int], is_image: list[bool], pixels_NCHW: Tensor) -> Tensor:
    """The same by transformers' own forward pass, which knows image tokens by their id."""
    prefix = max(i for i, flag in enumerate(is_image) if flag) + 1
    ids_T = torch.tensor(ids).masked_fill(torch.tensor(is_image), hf.config.image_token_id)
    logits_TV = hf(input_ids=ids_T[None], pixel_values=pixels_NCHW).logits[0].float()
    return torch.nn.functional.cross_entropy(logits_TV[prefix:-1], ids_T[prefix + 1 :], reduction="none")
