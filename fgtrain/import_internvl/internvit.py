"""InternViT (300M and 6B) as transformers' InternVLVisionModel."""

from functools import partial

from torch import Tensor
from transformers import InternVLVisionConfig, InternVLVisionModel
from transformers.activations import ACT2FN

from fgtrain.errors import UserError

from .tensors import Part, Piece, renamed
from .values import OF_EXPERTS, Values

NATIVE_QK_EPS = 1e-6  # of transformers' query and key norms, whatever the config says
LAYER = r"encoder\.layers\.(\d+)\."
NAMES = {
    r"embeddings\.class_embedding": r"embeddings.cls_token",
    r"embeddings\.position_embedding": r"embeddings.position_embeddings",
    r"embeddings\.patch_embedding\.(weight|bias)": r"embeddings.patch_embeddings.projection.\1",
    LAYER + r"attn\.proj\.(weight|bias)": r"encoder.layer.\1.attention.projection_layer.\2",
    LAYER + r"attn\.([qk]_norm)\.weight": r"encoder.layer.\1.attention.\2.weight",
    LAYER + r"mlp\.(fc[12])\.(weight|bias)": r"encoder.layer.\1.mlp.\2.\3",
    LAYER + r"norm1\.(weight|bias)": r"encoder.layer.\1.layernorm_before.\2",
    LAYER + r"norm2\.(weight|bias)": r"encoder.layer.\1.layernorm_after.\2",
    LAYER + r"ls([12])": r"encoder.layer.\1.lambda_\2",
}
FUSED = {LAYER + r"attn\.qkv\.(weight|bias)": r"encoder.layer.\1.attention.{}_proj.\2"}


def vision_config(values: Values) -> tuple[InternVLVisionConfig, list[str]]:
    """The native config, and notes on what is left out. UserError for a value without native counterpart."""
    values.one_of("use_moe", (False,), False)
    values.without_effect(*OF_EXPERTS)
    notes = []
    if drop_path := values.take("drop_path_rate", 0.0):
        notes.append(f"drop_path_rate {drop_path} acted in training only and has no native counterpart: left out")
    qk_norm, eps = values.take("qk_normalization", True), values.take("layer_norm_eps", 1e-6)
    if qk_norm and eps != NATIVE_QK_EPS:
        raise UserError(
            f"{values.place('layer_norm_eps')} is {eps} with qk_normalization, but transformers' query and key norms "
            f"have {NATIVE_QK_EPS} only"
        )
    width, heads = values.number("hidden_size", 3200), values.number("num_attention_heads", 25)
    if width % heads:
        raise UserError(f"{values.place('hidden_size')} is {width}, not a multiple of num_attention_heads {heads}")
    config = InternVLVisionConfig(
        hidden_size=width,
        num_hidden_layers=values.number("num_hidden_layers", 48),
        num_attention_heads=heads,
        intermediate_size=values.number("intermediate_size", 12800),
        attention_bias=values.take("qkv_bias", False),
        use_qk_norm=qk_norm,
        norm_type=values.one_of("norm_type", ("layer_norm", "rms_norm"), "rms_norm"),
        layer_norm_eps=eps,
        hidden_act=values.one_of("hidden_act", tuple(ACT2FN), "gelu"),
        hidden_dropout_prob=0.0,
        projection_dropout=values.take("dropout", 0.0),  # behind the attention's projection only
        attention_dropout=values.take("attention_dropout", 0.0),
        image_size=values.number("image_size", 224),
        patch_size=values.number("patch_size", 14),
        num_channels=values.one_of("num_channels", (3,), 3),
        initializer_range=values.take("initializer_range", 0.02),
        layer_scale_init_value=values.take("initializer_factor", 0.1),
        use_mean_pooling=True,  # means: no norm behind the last layer
    )
    values.without_effect("tie_word_embeddings")  # which an encoder of pictures has none of
    values.finish()
    return config, notes


def vision_pieces(name: str) -> list[Piece] | None:
    """Published name -> native tensors. Queries, keys and values lie in one tensor, one behind the other."""
    if (fused := renamed(name, FUSED)) is not None:
        return [Piece(fused.format(letter), partial(_third, number=i)) for i, letter in enumerate("qkv")]
    new = renamed(name, NAMES)
    return None if new is None else [Piece(new)]


def _third(tensor: Tensor, number: int) -> Tensor:
    return tensor.chunk(3)[number]


def vision_part(values: Values) -> Part:
    """A published InternViT by itself."""
    config, notes = vision_config(values)
    return Part("InternViT", InternVLVisionModel, config, vision_pieces, notes=tuple(notes))
