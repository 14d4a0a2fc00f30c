"""The models of FG-BMK by name, with their published settings; how each was trained: training_facts.py."""

from dataclasses import dataclass

import torch

from data_builders.shared.errors import UserError

from .backbone import backbone_of, tensor_hash
from .loading import EncoderFeaturizer, load_featurizer
from .transform import dinov2_transform


@dataclass(frozen=True)
class Preset:
    """`loader`: which code reads it: transformers, internvit, qwen_vl, timm, open_clip, or closed (no weights)."""

    title: str
    loader: str
    hub_id: str
    image_size: int  # pixels, square, as published
    patch_size: int
    blocks: int  # of the vision tower; the probe reads the last two
    final_norm: bool  # released: only DINOv2's own code norms the blocks' outputs, hooks do not
    note: str = ""


PRESETS = {
    "internvl3-8b": Preset("InternVL3-8B", "transformers", "OpenGVLab/InternVL3-8B-hf", 448, 14, 24, False),
    "internvl-chat-v1.1": Preset("InternVL-Chat-V1.1", "internvit", "OpenGVLab/InternVL-Chat-V1-1", 448, 14, 45, False),
    "llava-1.5-7b": Preset("LLaVA-1.5-7B", "transformers", "llava-hf/llava-1.5-7b-hf", 336, 14, 24, False),
    "qwen2.5-vl-7b": Preset(
        "Qwen2.5-VL-7B",
        "transformers",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        448,
        14,
        32,
        False,
        "takes pictures of any size; here a square of 448 px",
    ),
    "qwen-vl-chat": Preset("Qwen-VL-Chat", "qwen_vl", "Qwen/Qwen-VL-Chat", 448, 14, 48, False),
    "blip-2-flan-t5-xl": Preset(
        "BLIP-2 (Flan-T5-XL)", "transformers", "Salesforce/blip2-flan-t5-xl", 224, 14, 39, False
    ),
    "eva-clip-l": Preset("EVA02-CLIP-L", "timm", "timm/eva02_large_patch14_clip_224.merged2b", 224, 14, 24, False),
    "beit3-l": Preset(
        "BEiT3-L",
        "timm",
        "timm/beit3_large_patch16_224.pt",
        224,
        16,
        24,
        False,
        "the same architecture; the paper's own weights (large, itc) are only released pickled",
    ),
    "coca-l": Preset(
        "CoCa-L",
        "open_clip",
        "laion/CoCa-ViT-L-14-laion2B-s13B-b90k",
        224,
        14,
        24,
        False,
        "needs open_clip_model.safetensors in the folder",
    ),
    "dinov2-l": Preset("DINOv2-L", "transformers", "facebook/dinov2-large", 224, 14, 24, True),
    # Figure 9 measures the same model at three sizes.
    "dinov2-b": Preset("DINOv2-B", "transformers", "facebook/dinov2-base", 224, 14, 12, True),
    "dinov2-g": Preset("DINOv2-G", "transformers", "facebook/dinov2-giant", 224, 14, 40, True),
    "vit-l": Preset(
        "ViT-L (ImageNet cross-entropy)",
        "transformers",
        "google/vit-large-patch16-224",
        224,
        16,
        24,
        False,
        "the paper names no size; inferred",
    ),
    "gpt-4o": Preset("GPT-4o", "closed", "", 0, 0, 0, False),
    "gemini-2.0-flash": Preset("Gemini-2.0-flash", "closed", "", 0, 0, 0, False),
}


def describe_presets() -> str:
    """A table for people."""
    lines = []
    for name, preset in PRESETS.items():
        if preset.loader == "closed":
            lines.append(f"{name:20} {preset.title}: no weights are published, so there are no features to measure")
            continue
        extra = " (extra: timm)" if preset.loader in ("timm", "open_clip") else ""
        note = f"; {preset.note}" if preset.note else ""
        lines.append(f"{name:20} {preset.hub_id}, {preset.image_size} px, patch {preset.patch_size}{extra}{note}")
    return "\n".join(lines)


def split_preset(model: str) -> tuple[Preset, str] | None:
    """`NAME` or `NAME=FOLDER` (the preset's settings, weights from a folder); None when it names no preset."""
    name, _, folder = model.partition("=")
    preset = PRESETS.get(name)
    return None if preset is None else (preset, folder or preset.hub_id)


def load_preset(
    model: str,
    *,
    part: str = "encoder",
    image_size: int | None = None,
    view: str = "own",
    final_norm: bool | None = None,
    device: str | None = None,
    name: str | None = None,
) -> EncoderFeaturizer:
    """The featurizer of a preset, `NAME` or `NAME=FOLDER`; options override its settings. UserError."""
    chosen = split_preset(model)
    if chosen is None:
        raise UserError(f"--model {model}: no such preset. There are: {', '.join(PRESETS)}")
    preset, source = chosen
    title = name or model.partition("=")[0]
    if preset.loader == "closed":
        raise UserError(f"--model {model}: {preset.title} publishes no weights, so it has no features to measure")
    norm = preset.final_norm if final_norm is None else final_norm
    if preset.loader == "transformers":
        size = image_size or (None if view == "dinov2" else preset.image_size)
        return load_featurizer(
            source, part=part, image_size=size, view=view, final_norm=norm, device=device, name=title
        )
    if part != "encoder":
        raise UserError(f"--part {part}: {preset.title}'s projector is not read here; its encoder is")
    from . import extras, internvit, qwen_vl

    readers = {
        "internvit": internvit.load_internvit,
        "qwen_vl": qwen_vl.load_qwen_vl,
        "timm": extras.load_timm,
        "open_clip": extras.load_open_clip,
    }
    tower, sizes, transform = readers[preset.loader](source)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tower.requires_grad_(False).eval().to(device)
    size = image_size or (224 if view == "dinov2" else transform.size)
    transform = dinov2_transform(size) if view == "dinov2" else transform.at(size)
    run = getattr(sizes, "run", tower)
    backbone = backbone_of(
        run,
        tower,
        image_size=size,
        patch_size=sizes.patch_size,
        final_norm=norm,
        leading=0 if preset.loader == "qwen_vl" else None,
    )
    about = {"part": part, "final_norm": norm, "model_type": preset.loader}
    return EncoderFeaturizer(
        title,
        backbone,
        transform,
        model_hash=tensor_hash(tower.state_dict()),
        device=device,
        about=about,
        parameters=sum(one.numel() for one in tower.parameters()),
    )
