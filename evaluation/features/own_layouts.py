"""Released vision towers whose repositories bring code of their own: their weights, run without that code."""

import math
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from data_builders.errors import UserError
from data_builders.files import read_json

from .loading import first_line, offline, read_preprocessor
from .transform import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, ImageTransform, transform_of


def model_folder(source: str) -> Path:
    """The folder itself, or where the hub's safetensors and json files lie. UserError."""
    from huggingface_hub import snapshot_download

    folder = Path(source).expanduser()
    if not folder.is_dir():
        try:
            patterns = ["*.safetensors", "*.json"]
            folder = Path(snapshot_download(source, allow_patterns=patterns, local_files_only=offline(source)))
        except (OSError, ValueError) as error:
            raise UserError(f"--model {source}: cannot be fetched ({first_line(error)})") from None
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"--model {source}: no *.safetensors there. Weights that are only released pickled must be converted on a "
            "machine where you trust them"
        )
    return folder


def read_tensors(folder: Path, prefix: str = "") -> dict[str, Tensor]:
    """All tensors whose name starts with `prefix` (taken off), in fp32. UserError: unreadable, or none."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a dict
                found |= {name.removeprefix(prefix): file.get_tensor(name).float() for name in names}
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: weights cannot be read ({first_line(error)})") from None
    if not found:
        raise UserError(f"{folder}: no tensor is called {prefix}...")
    return found


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], place: str) -> None:
    """UserError when a tensor is missing or has another shape."""
    own = module.state_dict()
    wrong = [name for name, value in own.items() if name not in tensors or tensors[name].shape != value.shape]
    if wrong:
        raise UserError(f"{place}: {len(wrong)} tensors are missing or of another shape, first {wrong[0]}")
    module.load_state_dict({name: tensors[name] for name in own})


# InternVL-Chat-V1.1: InternViT under its first names, run as transformers' InternVLVisionModel.

INTERNVIT_NAMES = (
    ("embeddings.class_embedding", "embeddings.cls_token"),
    ("embeddings.position_embedding", "embeddings.position_embeddings"),
    ("embeddings.patch_embedding.", "embeddings.patch_embeddings.projection."),
    ("encoder.layers.", "encoder.layer."),
    (".attn.proj.", ".attention.projection_layer."),
    (".attn.", ".attention."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".ls1", ".lambda_1"),
    (".ls2", ".lambda_2"),
)


def internvit_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """InternViT's tensors under transformers' names; the joint query-key-value matrix is cut in three."""
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        for old, new in INTERNVIT_NAMES:
            name = name.replace(old, new)
        if ".attention.qkv." in name:
            for part, cut in zip("qkv", value.chunk(3), strict=True):
                renamed[name.replace(".qkv.", f".{part}_proj.")] = cut
        else:
            renamed[name] = value
    return renamed


def load_internvit(source: str) -> tuple[nn.Module, SimpleNamespace, ImageTransform]:
    """(tower, its image and patch size, transform) of an InternVL-Chat checkpoint. UserError."""
    from transformers import InternVLVisionConfig, InternVLVisionModel

    folder = model_folder(source)
    config = read_json(folder / "config.json")
    vision = config.get("vision_config", config)
    try:
        own = InternVLVisionConfig(
            hidden_size=vision["hidden_size"],
            intermediate_size=vision["intermediate_size"],
            num_hidden_layers=vision["num_hidden_layers"],
            num_attention_heads=vision["num_attention_heads"],
            image_size=[vision["image_size"]] * 2,
            patch_size=[vision["patch_size"]] * 2,
            layer_norm_eps=vision.get("layer_norm_eps", 1e-6),
            hidden_act=vision.get("hidden_act", "gelu"),
            norm_type=vision.get("norm_type", "rms_norm"),
            use_qk_norm=vision.get("qk_normalization", True),
            attention_bias=vision.get("qkv_bias", False),
        )
    except KeyError as error:
        raise UserError(f"{folder / 'config.json'}: vision_config has no {error}") from None
    tower = InternVLVisionModel(own)
    load_strictly(tower, internvit_tensors(read_tensors(folder, "vision_model.")), source)
    size = vision["image_size"]
    settings = read_preprocessor(str(folder))
    plain = ImageTransform(size, size, False, "bicubic", IMAGENET_MEAN, IMAGENET_STD)
    transform = transform_of(settings, f"{source}: preprocessor_config.json") if settings else plain
    return tower, SimpleNamespace(image_size=size, patch_size=vision["patch_size"]), transform


# Qwen-VL-Chat: OpenCLIP's ViT-bigG without a class token.


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


# timm and open_clip folders, behind the extra `timm`: both need torchvision.


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
