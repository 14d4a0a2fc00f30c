"""The tensors of the parts that vLLM's models are made of: language models, vision encoders, projectors.

As vllm_loaders.py says where they stand; read in the same files of vLLM.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Module:
    """Tensors below a prefix. `x.` stands for x.weight and x.bias, any other name for itself; `layers` repeat."""

    once: tuple[str, ...] = ()
    layer: tuple[str, ...] = ()
    at: str = ""  # where the layers stand
    count: str = "num_hidden_layers"  # the config's key that counts them, or a list that it holds
    biased: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # key that switches them on -> tensors
    skipped: tuple[str, ...] = ()  # beginnings of names that the loader passes over

    def names(self, prefix: str, config: Mapping[str, Any]) -> set[str]:
        count = config.get(self.count, 0)
        layers = range(count if isinstance(count, int) else len(count))
        of_layer = [*self.layer, *(name for key, more in self.biased.items() if config.get(key) for name in more)]
        return {f"{prefix}{name}" for name in whole(self.once)} | {
            f"{prefix}{self.at}{number}.{name}" for number in layers for name in whole(of_layer)
        }


def whole(names: Any) -> list[str]:
    return [end for name in names for end in ((name + "weight", name + "bias") if name.endswith(".") else (name,))]


def weights(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.weight" for name in names)


ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
GATED = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
LLAMA = weights(*ATTENTION, "self_attn.o_proj", *GATED, "input_layernorm", "post_attention_layernorm")
EMBEDDED = weights("embed_tokens", "norm")
QK_NORMS = weights("self_attn.q_norm", "self_attn.k_norm")
BIASES = tuple(f"{name}.bias" for name in ATTENTION)
ALL_BIASES = {"attention_bias": (*BIASES, "self_attn.o_proj.bias")}

LANGUAGE_MODELS = {  # model_type of text_config -> its tensors
    "llama": Module(
        EMBEDDED, LLAMA, "layers.", biased={**ALL_BIASES, "mlp_bias": tuple(f"{name}.bias" for name in GATED)}
    ),
    "mistral": Module(EMBEDDED, LLAMA, "layers."),
    "qwen2": Module(EMBEDDED, LLAMA + BIASES, "layers."),
    "qwen3": Module(EMBEDDED, LLAMA + QK_NORMS, "layers.", biased=ALL_BIASES),
    "gemma3_text": Module(
        EMBEDDED,
        LLAMA + QK_NORMS + weights("pre_feedforward_layernorm", "post_feedforward_layernorm"),
        "layers.",
        biased=ALL_BIASES,
    ),
}
LANGUAGE_MODELS |= {
    "qwen2_vl_text": LANGUAGE_MODELS["qwen2"],
    "qwen2_5_vl_text": LANGUAGE_MODELS["qwen2"],
    "qwen3_vl_text": LANGUAGE_MODELS["qwen3"],
}

ENCODED = tuple(f"self_attn.{name}_proj." for name in ("q", "k", "v", "out"))
ENCODED += ("mlp.fc1.", "mlp.fc2.", "layer_norm1.", "layer_norm2.")
CLIP = Module(
    (
        "embeddings.class_embedding",
        "embeddings.patch_embedding.weight",
        "embeddings.position_embedding.weight",
        "pre_layrnorm.",
    ),
    ENCODED,
    "encoder.layers.",
    skipped=("post_layernorm.",),
)
SIGLIP = Module(
    ("embeddings.patch_embedding.", "embeddings.position_embedding.weight"),
    ENCODED,
    "encoder.layers.",
    skipped=("post_layernorm.", "head."),
)
SIGLIP_AND_NORM = Module((*SIGLIP.once, "post_layernorm."), ENCODED, SIGLIP.at, skipped=("head.",))
INTERN_VIT = Module(
    ("embeddings.cls_token", "embeddings.patch_embeddings.projection.", "embeddings.position_embeddings"),
    (
        *weights("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        *("attention.projection_layer.", "mlp.fc1.", "mlp.fc2.", "lambda_1", "lambda_2"),
    ),
    "encoder.layer.",
    biased={
        "attention_bias": tuple(f"attention.{name}_proj.bias" for name in "qkv"),
        "use_qk_norm": weights("attention.q_norm", "attention.k_norm"),
        "layer_norms": ("layernorm_before.", "layernorm_after."),
        "rms_norms": weights("layernorm_before", "layernorm_after"),
    },
)
ATTENDED = ("attn.qkv.", "attn.proj.")
QWEN2_VIT = Module(
    ("patch_embed.proj.weight", "merger.ln_q.", "merger.mlp.0.", "merger.mlp.2."),
    (*ATTENDED, "mlp.fc1.", "mlp.fc2.", "norm1.", "norm2."),
    "blocks.",
    "depth",
)
QWEN25_VIT = Module(
    ("patch_embed.proj.weight", "merger.ln_q.weight", "merger.mlp.0.", "merger.mlp.2."),
    (*ATTENDED, *(f"{name}." for name in GATED), *weights("norm1", "norm2")),
    "blocks.",
    "depth",
)
MERGER = ("norm.", "linear_fc1.", "linear_fc2.")
QWEN3_VIT = Module(
    ("patch_embed.proj.", "pos_embed.weight", *(f"merger.{name}" for name in MERGER)),
    (*ATTENDED, "mlp.linear_fc1.", "mlp.linear_fc2.", "norm1.", "norm2."),
    "blocks.",
    "depth",
)
DEEPSTACK = Module((), MERGER, "deepstack_merger_list.", "deepstack_visual_indexes")
TWO_LINEAR = ("multi_modal_projector.linear_1.", "multi_modal_projector.linear_2.")
TOWERS = {"clip_vision_model": CLIP, "siglip_vision_model": SIGLIP}
