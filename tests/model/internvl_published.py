"""Tiny InternVL, InternViT and InternLM2 as they lie on the hub, with drawn weights."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from internvl_tokens import vocabulary_size, write_internlm2_tokenizer, write_qwen2_tokenizer
from safetensors.torch import save_file
from torch import Tensor

from data_builders.shared.files import write_json

Weights = dict[str, Tensor]

# Written by transformers 4 into every published config, and without effect.
CLUTTER = {
    "_name_or_path": "",
    "add_cross_attention": False,
    "diversity_penalty": 0.0,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "length_penalty": 1.0,
    "max_length": 20,
    "num_beams": 1,
    "output_attentions": False,
    "return_dict": True,
    "temperature": 1.0,
    "top_k": 50,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.37.2",
    "use_bfloat16": True,
}


# ---- configs


def vision_values(**changes: Any) -> dict[str, Any]:
    """As in InternViT-300M's config.json, smaller."""
    return CLUTTER | {
        "architectures": ["InternVisionModel"],
        "auto_map": {"AutoConfig": "configuration_intern_vit.InternVisionConfig"},
        "attention_dropout": 0.0,
        "capacity_factor": 1.2,
        "drop_path_rate": 0.1,
        "dropout": 0.0,
        "hidden_act": "gelu",
        "hidden_size": 24,
        "image_size": 32,
        "initializer_factor": 0.1,
        "initializer_range": 1e-10,
        "intermediate_size": 36,
        "layer_norm_eps": 1e-6,
        "model_type": "intern_vit_6b",
        "moe_output_scale": 4.0,
        "norm_type": "layer_norm",
        "num_attention_heads": 3,
        "num_channels": 3,
        "num_experts": 8,
        "num_hidden_layers": 3,
        "patch_size": 8,
        "qk_normalization": False,
        "qkv_bias": True,
        "use_flash_attn": True,
        "use_moe": False,
        "use_residual": True,
        **changes,
    }


def internlm2_values(**changes: Any) -> dict[str, Any]:
    """As in InternLM2.5's config.json, smaller."""
    return CLUTTER | {
        "architectures": ["InternLM2ForCausalLM"],
        "attn_implementation": "eager",
        "auto_map": {"AutoModelForCausalLM": "modeling_internlm2.InternLM2ForCausalLM"},
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": 128,
        "model_type": "internlm2",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": {"factor": 2.0, "type": "dynamic"},
        "rope_theta": 1000000,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": vocabulary_size() + 3,
        **changes,
    }


def qwen2_values(**changes: Any) -> dict[str, Any]:
    values = internlm2_values() | {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "max_window_layers": 70,
        "model_type": "qwen2",
        "moe_config": None,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"},
        "sliding_window": None,
        "use_sliding_window": False,
    }
    for key in ("bias", "pretraining_tp", "auto_map"):
        del values[key]
    return values | changes


def chat_values(vision: dict[str, Any], language: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "_commit_hash": None,
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": 32,
        "image_fold": None,
        "llm_config": language,
        "max_dynamic_patch": 12,
        "min_dynamic_patch": 1,
        "model_type": "internvl_chat",
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internvl2_5",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": None,
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": vision,
        **changes,
    }


# ---- weights


def drawn(shapes: dict[str, tuple[int, ...]], seed: int, dtype: torch.dtype = torch.float32) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        width = math.prod(shape[1:]) if len(shape) > 1 else 4
        found[name] = (torch.randn(shape, generator=generator) / math.sqrt(width)).to(dtype)
        if "norm" in name and name.endswith("weight"):
            found[name] += 1
    return found


def vision_shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    d, m, patch = values["hidden_size"], values["intermediate_size"], values["patch_size"]
    shapes = {
        "embeddings.class_embedding": (1, 1, d),
        "embeddings.patch_embedding.weight": (d, 3, patch, patch),
        "embeddings.patch_embedding.bias": (d,),
        "embeddings.position_embedding": (1, (values["image_size"] // patch) ** 2 + 1, d),
    }
    layer = {
        "attn.proj.weight": (d, d),
        "attn.proj.bias": (d,),
        "attn.qkv.weight": (3 * d, d),
        "ls1": (d,),
        "ls2": (d,),
    }
    layer |= {"mlp.fc1.weight": (m, d), "mlp.fc1.bias": (m,), "mlp.fc2.weight": (d, m), "mlp.fc2.bias": (d,)}
    layer |= {"norm1.weight": (d,), "norm2.weight": (d,)}
    if values["norm_type"] == "layer_norm":
        layer |= {"norm1.bias": (d,), "norm2.bias": (d,)}
    if values["qkv_bias"]:
        layer["attn.qkv.bias"] = (3 * d,)
    if values["qk_normalization"]:
        layer |= {"attn.q_norm.weight": (d,), "attn.k_norm.weight": (d,)}
    for i in range(values["num_hidden_layers"]):
        shapes |= {f"encoder.layers.{i}.{name}": shape for name, shape in layer.items()}
    return shapes


def internlm2_shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    d, m, heads, groups = (
        values[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    )
    fused = (heads + 2 * groups) * (d // heads)
    layer = {"attention.wqkv.weight": (fused, d), "attention.wo.weight": (d, d), "feed_forward.w1.weight": (m, d)}
    layer |= {"feed_forward.w3.weight": (m, d), "feed_forward.w2.weight": (d, m)}
    layer |= {"attention_norm.weight": (d,), "ffn_norm.weight": (d,)}
    if values["bias"]:
        layer |= {"attention.wqkv.bias": (fused,), "attention.wo.bias": (d,)}
    shapes = {"model.tok_embeddings.weight": (values["vocab_size"], d), "model.norm.weight": (d,)}
    if not values["tie_word_embeddings"]:
        shapes["output.weight"] = (values["vocab_size"], d)
    for i in range(values["num_hidden_layers"]):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return shapes


def qwen2_shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    d, m = values["hidden_size"], values["intermediate_size"]
    inner = values["num_key_value_heads"] * (d // values["num_attention_heads"])
    layer = {"input_layernorm.weight": (d,), "post_attention_layernorm.weight": (d,), "self_attn.o_proj.weight": (d, d)}
    for letter, size in (("q", d), ("k", inner), ("v", inner)):
        layer |= {f"self_attn.{letter}_proj.weight": (size, d), f"self_attn.{letter}_proj.bias": (size,)}
    layer |= {"mlp.gate_proj.weight": (m, d), "mlp.up_proj.weight": (m, d), "mlp.down_proj.weight": (d, m)}
    shapes = {"model.embed_tokens.weight": (values["vocab_size"], d), "model.norm.weight": (d,)}
    if not values["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (values["vocab_size"], d)
    for i in range(values["num_hidden_layers"]):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return shapes


def chat_shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    vision, language = values["vision_config"], values["llm_config"]
    text = qwen2_shapes(language) if language["model_type"] == "qwen2" else internlm2_shapes(language)
    shapes = {f"vision_model.{name}": shape for name, shape in vision_shapes(vision).items()}
    shapes |= {f"language_model.{name}": shape for name, shape in text.items()}
    wide, d = vision["hidden_size"] * round(1 / values["downsample_ratio"]) ** 2, language["hidden_size"]
    shapes |= {"mlp1.0.weight": (wide,), "mlp1.0.bias": (wide,), "mlp1.1.weight": (d, wide), "mlp1.1.bias": (d,)}
    return shapes | {"mlp1.3.weight": (d, d), "mlp1.3.bias": (d,)}


def write_weights(folder: Path, weights: Weights, files: int = 1) -> None:
    """In one file, or in several with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    if files == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    table = {}
    for i in range(files):
        name = f"model-{i + 1:05d}-of-{files:05d}.safetensors"
        part = {key: weights[key] for key in sorted(weights)[i::files]}
        save_file(part, folder / name, metadata={"format": "pt"})
        table |= dict.fromkeys(part, name)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": table})


# ---- whole folders


def write_part(folder: Path, values: dict[str, Any], seed: int = 3, files: int = 1, **draw: Any) -> Weights:
    """InternViT or InternLM2 by itself, by `model_type`."""
    vision = values["model_type"] == "intern_vit_6b"
    weights = drawn(vision_shapes(values) if vision else internlm2_shapes(values), seed, **draw)
    write_weights(folder, weights, files)
    write_json(folder / "config.json", values)
    if vision:
        write_preprocessor(folder, values["image_size"])
    else:
        write_internlm2_tokenizer(folder, behind=False)
    (folder / "configuration_internlm2.py").write_text("raise RuntimeError('remote code was run')\n")
    return weights


def write_chat(folder: Path, values: dict[str, Any], seed: int = 3, files: int = 1, **draw: Any) -> Weights:
    """A whole InternVL."""
    weights = drawn(chat_shapes(values), seed, **draw)
    write_weights(folder, weights, files)
    write_json(folder / "config.json", values)
    write_preprocessor(folder, values["vision_config"]["image_size"])
    if values["llm_config"]["model_type"] == "qwen2":
        write_qwen2_tokenizer(folder)
    else:
        write_internlm2_tokenizer(folder, behind=True)
    (folder / "modeling_internvl_chat.py").write_text("raise RuntimeError('remote code was run')\n")
    return weights


def write_preprocessor(folder: Path, size: int) -> None:
    values = {
        "crop_size": size,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "resample": 3,
        "size": size,
    }
    values |= {"feature_extractor_type": "CLIPFeatureExtractor", "image_std": [0.229, 0.224, 0.225]}
    write_json(folder / "preprocessor_config.json", values | {"image_mean": [0.485, 0.456, 0.406]})


def changed(folder: Path, **changes: Any) -> None:
    """Other values in a folder's config.json; `section__key` for one in a section."""
    values = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        *sections, key = name.split("__")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[key] = value
    write_json(folder / "config.json", values)
