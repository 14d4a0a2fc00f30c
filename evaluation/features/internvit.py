"""InternVL-Chat-V1.1's vision tower: InternViT under its first names, run as transformers' InternVLVisionModel."""

from types import SimpleNamespace

from torch import Tensor, nn

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from .loading import read_preprocessor
from .own_layouts import load_strictly, model_folder, read_tensors
from .transform import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, transform_of

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
