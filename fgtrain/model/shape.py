"""The sizes that decide a model's work and memory, read from its config and modules; also without weights."""

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from fgtrain.plan.cost import ModelShape

from .attention_choice import attention_dropout
from .lvlm import LVLM
from .packed_attention import why_dense


def model_shape(lvlm: LVLM) -> ModelShape:
    """The shape of a model, on any device (the meta device is enough). Its picture settings must be known."""
    config = lvlm.decoder.config
    heads = config.num_attention_heads
    embeddings = {id(p) for m in (lvlm.hf.get_input_embeddings(), lvlm.lm_head) for p in m.parameters()}
    matrices = (p for p in lvlm.decoder.parameters() if p.dim() > 1 and id(p) not in embeddings)
    looking = _counted(lvlm) if lvlm.family.feature_size is None and lvlm.device.type == "meta" else _run(lvlm)
    return ModelShape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        intermediate=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        vocabulary=lvlm.lm_head.weight.shape[0],
        decoder_weights=sum(p.numel() for p in matrices),
        attention_dropout=attention_dropout(config),
        dense_attention=why_dense(lvlm.decoder),
        **looking,
    )


def _run(lvlm: LVLM) -> dict[str, int]:
    """What one image token costs in encoder and projector: found by running them once on a blank picture."""
    pixels_NCHW, shapes_IK = lvlm.blank()
    with torch.no_grad(), FlopCounterMode(display=False) as encoding:
        features_NPF = lvlm.encode_images(pixels_NCHW, shapes_IK)
    with torch.no_grad(), FlopCounterMode(display=False) as projecting:
        tokens = len(lvlm.image_tokens(features_NPF, shapes_IK))
    return {
        "vision_flops": encoding.get_total_flops() // tokens,
        "projector_flops": projecting.get_total_flops() // tokens,
        "vision_activations": _kept_values(lvlm, lvlm.parts["vision_encoder"]) // tokens,
        "pixels": pixels_NCHW.numel() // tokens,
    }


def _counted(lvlm: LVLM) -> dict[str, int]:
    """The same of an encoder for native sizes, which reads a picture's grid and so cannot run on the meta device.

    Two operations a weight and patch, attention left out; a block keeps about ten hidden states and four of its gated
    MLP's inner ones, two of one without a gate.
    """
    vision = lvlm.hf.config.vision_config
    patches = vision.spatial_merge_size**2  # of one image token
    weights = {part: sum(p.numel() for p in lvlm.parts[part].parameters()) for part in ("vision_encoder", "projector")}
    width = getattr(vision, "embed_dim", None) or vision.hidden_size  # Qwen2-VL's hidden_size is the decoder's
    inner = getattr(vision, "intermediate_size", None) or vision.mlp_ratio * width
    gated = any("gate_proj" in name for name, _ in lvlm.parts["vision_encoder"].named_modules())
    kept = vision.depth * (10 * width + (4 if gated else 2) * inner)
    return {
        "vision_flops": 2 * weights["vision_encoder"] * patches,
        "projector_flops": 2 * weights["projector"],
        "vision_activations": kept * patches,
        "pixels": lvlm.blank()[0].numel(),  # the smallest picture is one token
    }


def _kept_values(lvlm: LVLM, encoder: nn.Module) -> int:
    """Values that the encoder keeps for its backward pass on one blank picture, if all of it learnt."""
    own = {p.untyped_storage()._cdata for p in lvlm.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage()._cdata not in own:
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    asked = {p: p.requires_grad for p in encoder.parameters()}
    encoder.requires_grad_(True)
    try:
        with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
            lvlm.encode_images(*lvlm.blank())
    finally:
        for parameter, was in asked.items():
            parameter.requires_grad_(was)
    return sum(tensor.untyped_storage().nbytes() // tensor.element_size() for tensor in kept.values())
