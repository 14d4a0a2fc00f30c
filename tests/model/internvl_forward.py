"""InternVL's published forward pass, restated on the published names."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from internvl_tokens import image_id
from torch import Tensor

Weights = dict[str, Tensor]
EMBEDDINGS = "model.tok_embeddings.weight"


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


def published_logits(weights: Weights, values: dict[str, Any], ids_BT: Tensor, pixels_NCHW: Tensor | None) -> Tensor:
    """Logits of a whole InternVL; `ids_BT` hold <IMG_CONTEXT> where image tokens go."""
    language = under(weights, "language_model.")
    qwen = values["llm_config"]["model_type"] == "qwen2"
    embeds = language["model.embed_tokens.weight" if qwen else EMBEDDINGS][ids_BT].clone()
    if pixels_NCHW is not None:
        embeds[ids_BT == image_id(values)] = image_embeds(weights, values, pixels_NCHW).flatten(0, 1)
    return decode(language, values["llm_config"], embeds)
