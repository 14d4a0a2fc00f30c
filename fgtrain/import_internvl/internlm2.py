"""InternLM2 and InternLM2.5 as transformers' LlamaForCausalLM: the same mathematics under other names."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.activations import ACT2FN

from fgtrain.errors import UserError

from .tensors import Part, Piece, renamed
from .values import Values

LAYER = r"model\.layers\.(\d+)\."
NAMES = {
    r"model\.tok_embeddings\.weight": r"model.embed_tokens.weight",
    r"model\.norm\.weight": r"model.norm.weight",
    r"output\.weight": r"lm_head.weight",
    LAYER + r"attention\.wo\.(weight|bias)": r"model.layers.\1.self_attn.o_proj.\2",
    LAYER + r"feed_forward\.w1\.weight": r"model.layers.\1.mlp.gate_proj.weight",
    LAYER + r"feed_forward\.w3\.weight": r"model.layers.\1.mlp.up_proj.weight",
    LAYER + r"feed_forward\.w2\.weight": r"model.layers.\1.mlp.down_proj.weight",
    LAYER + r"attention_norm\.weight": r"model.layers.\1.input_layernorm.weight",
    LAYER + r"ffn_norm\.weight": r"model.layers.\1.post_attention_layernorm.weight",
}
FUSED = {LAYER + r"attention\.wqkv\.(weight|bias)": r"model.layers.\1.self_attn.{}_proj.\2"}
# Frequencies follow from the config; some files hold them all the same.
LEFT_OUT = {LAYER + r"attention\.rotary_emb\.inv_freq": ""}
TIED = ("model.tok_embeddings.weight", "output.weight")


def internlm2_config(values: Values) -> LlamaConfig:
    """The native config. UserError for a value without native counterpart."""
    width, heads = values.number("hidden_size", 4096), values.number("num_attention_heads", 32)
    groups = values.number("num_key_value_heads", None) if values.take("num_key_value_heads", None) else heads
    if width % heads or heads % groups:
        raise UserError(
            f"{values.place('num_attention_heads')} is {heads}; it must divide hidden_size {width} and be a multiple "
            f"of num_key_value_heads {groups}"
        )
    values.one_of("rope_pos_id_version", ("default",), "default")
    values.without_effect("rope_pos_id_stride")
    values.without_effect("pretraining_tp")  # how a product was cut in training: the same sum
    config = LlamaConfig(
        vocab_size=values.number("vocab_size", 103168),
        hidden_size=width,
        intermediate_size=values.number("intermediate_size", 11008),
        num_hidden_layers=values.number("num_hidden_layers", 32),
        num_attention_heads=heads,
        num_key_value_heads=groups,
        head_dim=width // heads,
        hidden_act=values.one_of("hidden_act", tuple(ACT2FN), "silu"),
        max_position_embeddings=values.number("max_position_embeddings", 2048),
        initializer_range=values.take("initializer_range", 0.02),
        rms_norm_eps=values.take("rms_norm_eps", 1e-6),
        pad_token_id=values.take("pad_token_id", 0),
        bos_token_id=values.take("bos_token_id", 1),
        eos_token_id=values.take("eos_token_id", 2),
        tie_word_embeddings=values.take("tie_word_embeddings", False),
        attention_bias=values.take("bias", True),  # of wqkv and wo; the feed-forward layers never have one
        mlp_bias=False,
        rope_parameters=rope_parameters(values),
    )
    values.finish()
    return config


def rope_parameters(values: Values) -> dict[str, Any]:
    """Native names of the rotary settings. `dynamic` stretches the base beyond max_position_embeddings (NTK)."""
    theta, scaling = values.take("rope_theta", 10000), values.take("rope_scaling", None)
    if scaling is None:
        return {"rope_type": "default", "rope_theta": float(theta)}
    section = values.section_of("rope_scaling")
    kind = section.take("rope_type", section.take("type", None))
    if kind not in ("linear", "dynamic"):
        raise UserError(f"{section.place('type')} is {kind!r}. Known: 'linear', 'dynamic'")
    factor = section.take("factor")
    if not isinstance(factor, int | float) or factor < 1:
        raise UserError(f"{section.place('factor')} is {factor!r}; a number of at least 1 is needed")
    section.finish()
    return {"rope_type": kind, "rope_theta": float(theta), "factor": float(factor)}


def internlm2_pieces(config: LlamaConfig) -> Callable[[str], list[Piece] | None]:
    """Published name -> native tensors."""
    queries = config.num_attention_heads // config.num_key_value_heads

    def pieces(name: str) -> list[Piece] | None:
        if renamed(name, LEFT_OUT) is not None:
            return []
        if (fused := renamed(name, FUSED)) is not None:
            cut = partial(_of_groups, queries=queries, head_dim=config.head_dim)
            places = {"q": slice(0, queries), "k": slice(-2, -1), "v": slice(-1, None)}
            return [Piece(fused.format(letter), partial(cut, place=place)) for letter, place in places.items()]
        new = renamed(name, NAMES)
        return None if new is None else [Piece(new)]

    return pieces


def _of_groups(tensor: Tensor, queries: int, head_dim: int, place: slice) -> Tensor:
    """wqkv's rows are laid out by key-value group: its query heads, its key head, its value head."""
    groups = tensor.unflatten(0, (-1, queries + 2, head_dim))
    return groups[:, place].flatten(0, 2)


def internlm2_part(values: Values) -> Part:
    """A published InternLM2 by itself."""
    values.one_of("architectures", (["InternLM2ForCausalLM"],), ["InternLM2ForCausalLM"])
    config = internlm2_config(values)
    tied = TIED if config.tie_word_embeddings else None
    return Part("InternLM2", LlamaForCausalLM, config, internlm2_pieces(config), tied=tied)
