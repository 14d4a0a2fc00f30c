"""A whole InternVL-2.5 as transformers' InternVLForConditionalGeneration."""

import re
from collections.abc import Callable
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    InternVLConfig,
    InternVLForConditionalGeneration,
    PreTrainedConfig,
)

from fgtrain.errors import UserError

from . import internlm2
from .internvit import vision_config, vision_pieces
from .tensors import Part, Piece
from .values import Values

NATIVE = {"Qwen2ForCausalLM": "qwen2", "LlamaForCausalLM": "llama"}  # published names and settings are native ones
NATIVE_TIED = ("model.embed_tokens.weight", "lm_head.weight")
PROJECTOR = {
    f"mlp1.{place}.{kind}": f"multi_modal_projector.{layer}.{kind}"
    for place, layer in ((0, "layer_norm"), (1, "linear_1"), (3, "linear_2"))
    for kind in ("weight", "bias")
}
# The templates' system messages, said when a conversation brings none of its own.
SYSTEM_MESSAGES = {
    "internvl2_5": (
        "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
    ),
}
DISK_NAMES = {  # beginnings of names in state_dict -> in files, as transformers itself writes them
    "lm_head.": "language_model.lm_head.",
    "model.language_model.": "language_model.model.",
    "model.vision_tower.": "vision_tower.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}


def chat_part(values: Values, image_token_id: int) -> Part:
    """A published InternVL. UserError for a value without native counterpart."""
    vision, notes = vision_config(values.section_of("vision_config"))
    text, text_pieces, tied = language_model(values.section_of("llm_config"))
    values.one_of("ps_version", ("v2",), "v1")  # v1 transposes the tokens, which native code never does
    values.one_of("pad2square", (False,), False)
    for key in ("use_backbone_lora", "use_llm_lora"):
        if values.take(key, 0):
            raise UserError(f"{values.place(key)} is {values.take(key)}: merge its adapters before importing")
    ratio = values.take("downsample_ratio", 0.5)
    if not isinstance(ratio, int | float) or not 0 < ratio <= 1 or int(1 / ratio) != 1 / ratio:
        raise UserError(f"{values.place('downsample_ratio')} is {ratio!r}; one over a whole number is needed")
    layer = values.take("select_layer", -1)
    if not isinstance(layer, int) or not -vision.num_hidden_layers - 1 <= layer <= vision.num_hidden_layers:
        raise UserError(
            f"{values.place('select_layer')} is {layer!r}, but the encoder has {vision.num_hidden_layers} layers"
        )
    # Tying is the language model's own setting in the published code; the outer one is never asked.
    values.without_effect("tie_word_embeddings", "template", "system_message")
    values.without_effect("dynamic_image_size", "use_thumbnail", "min_dynamic_patch", "max_dynamic_patch")
    # What InternVL's own training code adds when it saves: the language model's width, once more.
    if (width := values.take("hidden_size", text.hidden_size)) != text.hidden_size:
        raise UserError(
            f"{values.place('hidden_size')} is {width!r}, but the language model's is {text.hidden_size}. Write that"
        )
    side = (image_size(values) // vision.patch_size[0]) * ratio
    if side != int(side):
        raise UserError(
            f"{values.place('downsample_ratio')}: {ratio} of a patch grid's side is {side}, no whole number"
        )
    config = InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=image_token_id,
        image_seq_length=int(side) ** 2,
        downsample_ratio=ratio,
        projector_hidden_act="gelu",
        vision_feature_layer=layer,
        vision_feature_select_strategy="default",  # the class token is dropped
        tie_word_embeddings=text.tie_word_embeddings,
    )
    values.finish()

    def pieces(name: str) -> list[Piece] | None:
        if name in PROJECTOR:
            return [Piece(PROJECTOR[name])]
        for start, prefix, inner in (
            ("vision_model.", "vision_tower.", vision_pieces),
            ("language_model.", "language_model.", text_pieces),
        ):
            if name.startswith(start):
                found = inner(name.removeprefix(start))
                return None if found is None else [piece.under(prefix) for piece in found]
        return None

    return Part(
        "InternVL",
        InternVLForConditionalGeneration,
        config,
        pieces,
        disk_name,
        tied=(f"language_model.{tied[0]}", f"language_model.{tied[1]}") if tied else None,
        notes=tuple(notes),
    )


def language_model(
    values: Values,
) -> tuple[PreTrainedConfig, Callable[[str], list[Piece] | None], tuple[str, str] | None]:
    """(native config, names, tied names) of the section llm_config."""
    architectures = values.take("architectures")
    name = architectures[0] if isinstance(architectures, list) and architectures else architectures
    if name == "InternLM2ForCausalLM":
        config = internlm2.internlm2_config(values)
        return config, internlm2.internlm2_pieces(config), internlm2.TIED if config.tie_word_embeddings else None
    if name not in NATIVE:
        known = ", ".join(["InternLM2ForCausalLM", *NATIVE])
        raise UserError(
            f"{values.place('architectures')} names {name!r}, which cannot be imported. Known: {known}. InternVL3.5 is "
            f"published in transformers' layout as well: OpenGVLab/InternVL3_5-...-HF"
        )
    config = native_config(values, NATIVE[name])
    expected = {key for key, _ in meta_state(AutoModelForCausalLM, config)}

    def pieces(tensor: str) -> list[Piece] | None:
        if re.fullmatch(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq", tensor):
            return []
        return [Piece(tensor)] if tensor in expected else None

    return config, pieces, NATIVE_TIED if config.tie_word_embeddings else None


def native_config(values: Values, model_type: str) -> PreTrainedConfig:
    """A config of transformers' own kind; keys that it does not know are refused."""
    known = set(AutoConfig.for_model(model_type).to_dict()) | {"rope_theta", "rope_scaling"}
    values.one_of("model_type", (model_type,), model_type)
    values.without_effect(*known, "moe_config")
    values.finish()
    kept = {key: values.values[key] for key in known & set(values.values) if values.values[key] is not None}
    kept = {key: value for key, value in kept.items() if key not in {"architectures", "transformers_version", "dtype"}}
    return AutoConfig.for_model(**(kept | {"model_type": model_type}))


def meta_state(model_class: Any, config: PreTrainedConfig) -> list[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every tensor of the native model, without memory for any."""
    import torch

    with torch.device("meta"):
        make = getattr(model_class, "from_config", model_class)
        return [(name, tuple(tensor.shape)) for name, tensor in make(config).state_dict().items()]


def disk_name(name: str) -> str:
    for start, new in DISK_NAMES.items():
        if name.startswith(start):
            return new + name.removeprefix(start)
    return name


def image_size(values: Values) -> int:
    """Pixels on a side of one tile."""
    return values.take("force_image_size", None) or values.section_of("vision_config").number("image_size", 224)


def chat_template(values: Values, begins_with_bos: bool) -> str:
    """The published turn template in Jinja; an image in a message's content is <IMG_CONTEXT> and a line break."""
    name = values.one_of("template", SYSTEM_MESSAGES)
    own = values.take("system_message", None)
    system = own if isinstance(own, str) and own else SYSTEM_MESSAGES[name]
    quoted = system.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return (
        ("{{ bos_token }}" if begins_with_bos else "")
        + "{% if messages[0]['role'] != 'system' %}"
        + "{{ '<|im_start|>system\\n"
        + quoted
        + "<|im_end|>\\n' }}{% endif %}"
        + "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
        + "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        + "{% for piece in message['content'] %}{% if piece['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}"
        + "{% elif piece['type'] == 'text' %}{{ piece['text'] }}{% endif %}{% endfor %}{% endif %}"
        + "{{ '<|im_end|>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )


def image_settings(values: Values, published: dict[str, Any] | None) -> dict[str, Any]:
    """preprocessor_config.json of the imported model: square tiles of the nearest grid, and the whole picture."""
    published = published or {}
    size, dynamic = image_size(values), values.take("dynamic_image_size", False)
    if dynamic and not values.take("use_thumbnail", False):
        raise UserError(
            f"{values.place('use_thumbnail')} is false with dynamic_image_size, but transformers' image processor "
            f"always adds the whole picture to its tiles"
        )
    return {
        "image_processor_type": "GotOcr2ImageProcessor",
        "crop_to_patches": bool(dynamic),
        "min_patches": values.number("min_dynamic_patch", 1),
        "max_patches": values.number("max_dynamic_patch", 6),
        **pixels(published, size),
    }


def pixels(published: dict[str, Any], size: int) -> dict[str, Any]:
    """From 0-255 to the numbers that the encoder reads. Without a file, as the published code has it."""
    return {
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": 3,  # bicubic
        "do_convert_rgb": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": published.get("image_mean", [0.485, 0.456, 0.406]),
        "image_std": published.get("image_std", [0.229, 0.224, 0.225]),
    }
