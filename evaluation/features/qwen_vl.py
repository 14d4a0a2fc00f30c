"""Qwen-VL-Chat's vision tower: OpenCLIP's ViT-bigG without a class token, without the code that it is released with."""

import math
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from .own_layouts import load_strictly, model_folder, read_tensors
from .transform import CLIP_MEAN, CLIP_STD, ImageTransform


class QwenVLAttention(nn.Module):
    """The joint projection lies head by head (query, key and value of head 0, then of head 1, ...)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens_NLF: Tensor) -> Tensor:
        pictures, length, width = tokens_NLF.shape
        joint = self.in_proj(tokens_NLF).view(pictures, length, self.heads, 3 * width // self.heads)
        query, key, value = (part.transpose(1, 2) for part in joint.chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).reshape(pictures, length, width))


class QwenVLBlock(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = QwenVLAttention(width, heads)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, hidden), "c_proj": nn.Linear(hidden, width)})

    def forward(self, tokens_NLF: Tensor) -> Tensor:
        tokens_NLF = tokens_NLF + self.attn(self.ln_1(tokens_NLF))
        return tokens_NLF + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(tokens_NLF))))


class QwenVLTower(nn.Module):
    """Names of modules are the checkpoint's. Positions are those of a 16 x 16 grid, interpolated (bicubic)."""

    def __init__(self, width: int, layers: int, heads: int, hidden: int, patch: int, positions: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.positional_embedding = nn.Parameter(torch.zeros(positions, width))
        self.ln_pre = nn.LayerNorm(width, eps=1e-6)
        self.transformer = nn.ModuleDict(
            {"resblocks": nn.ModuleList(QwenVLBlock(width, heads, hidden) for _ in range(layers))}
        )

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        patches_NFhw = self.conv1(pixels_NCHW)
        positions_LF = self._positions(patches_NFhw.shape[-1])
        tokens = self.ln_pre(patches_NFhw.flatten(2).transpose(1, 2) + positions_LF)
        for block in self.transformer["resblocks"]:
            tokens = block(tokens)
        return tokens

    def _positions(self, side: int) -> Tensor:
        own = math.isqrt(len(self.positional_embedding))
        if own == side:
            return self.positional_embedding
        grid = self.positional_embedding.T.view(1, -1, own, own)
        return F.interpolate(grid, (side, side), mode="bicubic", align_corners=False).flatten(2)[0].T


def load_qwen_vl(source: str) -> tuple[nn.Module, SimpleNamespace, ImageTransform]:
    """(tower, its image and patch size, transform) of a Qwen-VL checkpoint. UserError."""
    folder = model_folder(source)
    visual = read_json(folder / "config.json").get("visual")
    if not isinstance(visual, dict):
        raise UserError(f"{folder / 'config.json'}: no `visual` settings; is this a Qwen-VL checkpoint?")
    tensors = read_tensors(folder, "transformer.visual.")
    try:
        hidden, positions = len(tensors["transformer.resblocks.0.mlp.c_fc.bias"]), len(tensors["positional_embedding"])
        shape = [visual[key] for key in ("width", "layers", "heads")]
        patch, size = visual["patch_size"], visual["image_size"]
    except KeyError as error:
        raise UserError(f"--model {source}: no {error}; is this a Qwen-VL checkpoint?") from None
    tower = QwenVLTower(*shape, hidden=hidden, patch=patch, positions=positions)
    load_strictly(tower, tensors, source)
    transform = ImageTransform(size, size, False, "bicubic", CLIP_MEAN, CLIP_STD)
    return tower, SimpleNamespace(image_size=size, patch_size=patch), transform
