"""Tiny InternVL checkpoints as they lie on the hub, and the published forward pass restated on their own names."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from transformers.convert_slow_tokenizer import import_protobuf

from data_builders.files import write_json

SPECIAL = ["<|im_start|>", "<|im_end|>"]  # take the places of pieces that the tokenizer's model left free
BEHIND = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>"]  # come behind its last piece
WORDS = [
    "th",
    "the",
    "at",
    "cat",
    "▁t",
    "▁the",
    "▁c",
    "▁cat",
    "er",
    "in",
    "▁▁",
    "▁▁▁▁",
    "ing",
    "bird",
    "ir",
    "rd",
    "bi",
]
LETTERS = "abcdefghijklmnopqrstuvwxyzQA▁.,:?<>|_\n"
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


# ---- tokenizers


def pieces() -> list[tuple[str, float, int]]:
    """(text, score, type) of the sentencepiece model: InternLM2's order, smaller."""
    special = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    bytes_ = [(f"<0x{i:02X}>", 0.0, 6) for i in range(256)]
    words = [(word, -float(i), 1) for i, word in enumerate(WORDS)]
    letters = [(letter, -100.0 - i, 1) for i, letter in enumerate(LETTERS)]
    free = [(f"[UNUSED_TOKEN_{i}]", -1000.0 - i, 1) for i in range(len(SPECIAL))]
    return special + bytes_ + words + letters + free


def vocabulary_size() -> int:
    return len(pieces()) + len(BEHIND)


def write_sentencepiece(path: Path, **normalisation: Any) -> None:
    proto = import_protobuf().ModelProto()
    for text, score, kind in pieces():
        proto.pieces.add(piece=text, score=score, type=kind)
    proto.trainer_spec.model_type = 2
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.unk_id, proto.trainer_spec.unk_piece = 0, "<unk>"
    settings = {"name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False}
    for key, value in (settings | normalisation).items():
        setattr(proto.normalizer_spec, key, value)
    path.write_bytes(proto.SerializeToString())


def added_tokens(behind: bool) -> dict[str, int]:
    first = len(pieces()) - len(SPECIAL)
    return {token: first + i for i, token in enumerate(SPECIAL + (BEHIND if behind else []))}


def write_internlm2_tokenizer(folder: Path, behind: bool, **normalisation: Any) -> None:
    """tokenizer.model, tokenizer_config.json, added_tokens.json. `behind`: with InternVL's own tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sentencepiece(folder / "tokenizer.model", **normalisation)
    added = {"<unk>": 0, "<s>": 1, "</s>": 2} | added_tokens(behind)
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {str(number): {"content": token} | flags for token, number in added.items()},
        "additional_special_tokens": [token for token in added if token not in ("<unk>", "<s>", "</s>")],
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        "bos_token": "<s>",
        "chat_template": "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": 8192,
        "pad_token": "</s>",
        "tokenizer_class": "InternLM2Tokenizer",
        "unk_token": "<unk>",
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "added_tokens.json", added_tokens(behind))
    (folder / "tokenization_internlm2.py").write_text("raise RuntimeError('remote code was run')\n")


def write_qwen2_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt over bytes, with InternVL's tokens behind."""
    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(i) for i in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    merges = ["t h", "th e", "Ġ c", "a t", "Ġc at"]
    vocabulary = {text: i for i, text in enumerate(letters + [merge.replace(" ", "") for merge in merges])}
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {token: len(vocabulary) + i for i, token in enumerate(["<|endoftext|>", *SPECIAL, *BEHIND])}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {str(number): {"content": token} | flags for token, number in added.items()},
        "additional_special_tokens": [*SPECIAL, *BEHIND],
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "added_tokens.json", added)


def cut_by_sentencepiece(text: str) -> list[str]:
    """What a byte-pair model of sentencepiece does: join the pair of the highest score until none is left."""
    scores = {piece: score for piece, score, kind in pieces() if kind == 1}
    found = list(text.replace(" ", "▁"))
    while True:
        pairs = [(-scores[a + b], i) for i, (a, b) in enumerate(pairwise(found)) if a + b in scores]
        if not pairs:
            break
        i = min(pairs)[1]
        found[i : i + 2] = [found[i] + found[i + 1]]
    bytes_ = [[p] if p in scores else [f"<0x{byte:02X}>" for byte in p.encode()] for p in found]
    return [piece for group in bytes_ for piece in group]


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


# ---- the published forward pass


def under(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def internvit(weights: Weights, values: dict[str, Any], pixels_NCHW: Tensor) -> list[Tensor]:
    """Hidden states [N, 1 + patches, D]: of the embeddings, then of each layer. No norm stands behind the last."""
    w, d, heads, eps = weights, values["hidden_size"], values["num_attention_heads"], values["layer_norm_eps"]

    def norm(x: Tensor, name: str) -> Tensor:
        if values["norm_type"] == "rms_norm":
            return rms(x, w[f"{name}.weight"], eps)
        return F.layer_norm(x, (d,), w[f"{name}.weight"], w[f"{name}.bias"], eps)

    patch = values["patch_size"]
    map_NDhw = F.conv2d(
        pixels_NCHW, w["embeddings.patch_embedding.weight"], w["embeddings.patch_embedding.bias"], patch
    )
    side = values["image_size"] // patch
    places = w["embeddings.position_embedding"]
    grid = places[:, 1:].reshape(1, side, side, d).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=map_NDhw.shape[-2:], mode="bicubic", align_corners=False)
    patches = map_NDhw.flatten(2).transpose(1, 2) + grid.flatten(2).transpose(1, 2)
    first = (w["embeddings.class_embedding"] + places[:, :1]).expand(len(patches), -1, -1)
    x = torch.cat([first, patches], dim=1)
    states = [x]
    for i in range(values["num_hidden_layers"]):
        at = f"encoder.layers.{i}."
        qkv = F.linear(norm(x, at + "norm1"), w[at + "attn.qkv.weight"], w.get(at + "attn.qkv.bias"))
        q, k, v = qkv.split(d, dim=-1)
        if values["qk_normalization"]:
            q, k = rms(q, w[at + "attn.q_norm.weight"], eps), rms(k, w[at + "attn.k_norm.weight"], eps)
        q, k, v = (t.unflatten(-1, (heads, d // heads)).transpose(1, 2) for t in (q, k, v))
        seen = (q @ k.transpose(-1, -2) / math.sqrt(d // heads)).softmax(-1) @ v
        seen = F.linear(seen.transpose(1, 2).flatten(2), w[at + "attn.proj.weight"], w[at + "attn.proj.bias"])
        x = x + seen * w[at + "ls1"]
        inner = F.gelu(F.linear(norm(x, at + "norm2"), w[at + "mlp.fc1.weight"], w[at + "mlp.fc1.bias"]))
        x = x + F.linear(inner, w[at + "mlp.fc2.weight"], w[at + "mlp.fc2.bias"]) * w[at + "ls2"]
        states.append(x)
    return states


def image_embeds(weights: Weights, values: dict[str, Any], pixels_NCHW: Tensor) -> Tensor:
    """[N, tokens, D] as the language model reads them: chosen layer, class token dropped, shuffle "v2", mlp1."""
    state = internvit(under(weights, "vision_model."), values["vision_config"], pixels_NCHW)[values["select_layer"]]
    patches = state[:, 1:]
    side, k = math.isqrt(patches.shape[1]), round(1 / values["downsample_ratio"])
    grid = patches.unflatten(1, (side // k, k, side // k, k))  # N, row, row in block, column, column in block, D
    x = grid.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)  # a block's rows, each with its columns
    x = F.layer_norm(x, x.shape[-1:], weights["mlp1.0.weight"], weights["mlp1.0.bias"], 1e-5)
    x = F.gelu(F.linear(x, weights["mlp1.1.weight"], weights["mlp1.1.bias"]))
    return F.linear(x, weights["mlp1.3.weight"], weights["mlp1.3.bias"])


def rotate(x: Tensor, values: dict[str, Any]) -> Tensor:
    """[B, heads, T, d] turned by position."""
    length, dim, base = x.shape[2], x.shape[3], float(values["rope_theta"])
    position = torch.arange(length, dtype=torch.float32)
    if (scaling := values["rope_scaling"]) is not None:
        factor, longest = scaling["factor"], values["max_position_embeddings"]
        if scaling["type"] == "linear":
            position = position / factor
        elif length > longest:
            base *= (factor * length / longest - (factor - 1)) ** (dim / (dim - 2))
    angle = position[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], -1) * sin


def decode(weights: Weights, values: dict[str, Any], embeds_BTD: Tensor) -> Tensor:
    """Logits [B, T, V] of InternLM2 or, by its own names, of Qwen2."""
    w, heads, groups = weights, values["num_attention_heads"], values["num_key_value_heads"]
    dim, eps, x = values["hidden_size"] // heads, values["rms_norm_eps"], embeds_BTD
    qwen = values["model_type"] == "qwen2"
    causal = torch.full((x.shape[1], x.shape[1]), -torch.inf).triu(1)
    for i in range(values["num_hidden_layers"]):
        at = f"model.layers.{i}."
        h = rms(x, w[at + ("input_layernorm.weight" if qwen else "attention_norm.weight")], eps)
        if qwen:
            q, k, v = (
                F.linear(h, w[f"{at}self_attn.{letter}_proj.weight"], w[f"{at}self_attn.{letter}_proj.bias"])
                .unflatten(-1, (-1, dim))
                .transpose(1, 2)
                for letter in "qkv"
            )
        else:
            fused = F.linear(h, w[at + "attention.wqkv.weight"], w.get(at + "attention.wqkv.bias"))
            fused = fused.unflatten(-1, (groups, heads // groups + 2, dim))  # by group: queries, key, value
            q = fused[:, :, :, :-2].flatten(2, 3).transpose(1, 2)
            k, v = fused[:, :, :, -2].transpose(1, 2), fused[:, :, :, -1].transpose(1, 2)
        q, k = rotate(q, values), rotate(k, values)
        k, v = (t.repeat_interleave(heads // groups, dim=1) for t in (k, v))
        seen = (q @ k.transpose(-1, -2) / math.sqrt(dim) + causal).softmax(-1) @ v
        out = "self_attn.o_proj" if qwen else "attention.wo"
        x = x + F.linear(seen.transpose(1, 2).flatten(2), w[f"{at}{out}.weight"], w.get(f"{at}{out}.bias"))
        h = rms(x, w[at + ("post_attention_layernorm.weight" if qwen else "ffn_norm.weight")], eps)
        gate, up, down = (
            ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
            if qwen
            else ("feed_forward.w1", "feed_forward.w3", "feed_forward.w2")
        )
        inner = F.silu(F.linear(h, w[f"{at}{gate}.weight"])) * F.linear(h, w[f"{at}{up}.weight"])
        x = x + F.linear(inner, w[f"{at}{down}.weight"])
    x = rms(x, w["model.norm.weight"], eps)
    head, embeddings = ("lm_head.weight", "model.embed_tokens.weight") if qwen else ("output.weight", EMBEDDINGS)
    return F.linear(x, w.get(head, w[embeddings]))


EMBEDDINGS = "model.tok_embeddings.weight"


def published_logits(weights: Weights, values: dict[str, Any], ids_BT: Tensor, pixels_NCHW: Tensor | None) -> Tensor:
    """Logits of a whole InternVL; `ids_BT` hold <IMG_CONTEXT> where image tokens go."""
    language = under(weights, "language_model.")
    qwen = values["llm_config"]["model_type"] == "qwen2"
    embeds = language["model.embed_tokens.weight" if qwen else EMBEDDINGS][ids_BT].clone()
    if pixels_NCHW is not None:
        embeds[ids_BT == image_id(values)] = image_embeds(weights, values, pixels_NCHW).flatten(0, 1)
    return decode(language, values["llm_config"], embeds)


def image_id(values: dict[str, Any]) -> int:
    if values["llm_config"]["model_type"] == "qwen2":
        return 256 + 5 + 3 + BEHIND.index("<IMG_CONTEXT>")
    return added_tokens(True)["<IMG_CONTEXT>"]
