"""The files beside the weights by which other programs process pictures and text as training did."""

from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from data_builders.shared.files import atomic_write, write_json
from fgtrain.templates import EOS, TEMPLATES

from .chat_template import chat_template
from .composed import ComposedConfig
from .lvlm import LVLM
from .vision import patch_pixels, vision_shape
from .vocabulary import name_image_tokens

IMAGE_PROCESSORS = {"llava": "CLIPImageProcessor"}  # of specs that do not name one
VIDEO_PROCESSORS = {
    "internvl": "InternVLVideoProcessor",
    "llava_onevision": "LlavaOnevisionVideoProcessor",
    "qwen2_5_vl": "Qwen2VLVideoProcessor",
}


def write_processor(lvlm: LVLM, folder: Path) -> None:
    """tokenizer, chat_template.jinja, generation_config.json, preprocessor_config.json and, for a native class,
    processor_config.json: what `AutoProcessor` reads.
    """
    kind = lvlm.hf.config.model_type
    name_image_tokens(lvlm.tokenizer, kind)
    lvlm.tokenizer.save_pretrained(folder)
    with atomic_write(folder / "chat_template.jinja") as file:
        file.write(chat_template(lvlm.chat, lvlm.tokenizer, lvlm.image_spec, picture(lvlm)))
    generation_config(lvlm).save_pretrained(folder)
    images = {"image_processor_type": IMAGE_PROCESSORS[kind]} if kind in IMAGE_PROCESSORS else {}
    images |= lvlm.image_spec.settings()
    if kind != ComposedConfig.model_type:
        processor = processor_config(lvlm)
        images["processor_class"] = processor["processor_class"]
        write_json(folder / "processor_config.json", processor)
    write_json(folder / "preprocessor_config.json", images)
    if kind in VIDEO_PROCESSORS:  # these classes cannot be made without one
        write_json(
            folder / "video_preprocessor_config.json",
            {**lvlm.image_spec.settings(), "video_processor_type": VIDEO_PROCESSORS[kind]},
        )


def picture(lvlm: LVLM) -> str | None:
    """What stands for one picture in a text, before the processor repeats it; None for a ComposedLVLM."""
    spec = lvlm.image_spec
    if not spec.token:
        return None
    # InternVL's processor puts the tokens around by itself, Qwen's does not.
    around = lvlm.hf.config.model_type != "internvl"
    return "".join((*spec.before, spec.token, *spec.after)) if around else spec.token


def processor_config(lvlm: LVLM) -> dict[str, Any]:
    """Of transformers' processor for the model's class: how many image tokens a picture becomes."""
    config, spec = lvlm.hf.config, lvlm.image_spec
    if config.model_type == "internvl":
        return {"processor_class": "InternVLProcessor", "image_seq_length": spec.tokens}
    if config.model_type == "qwen2_5_vl":
        return {"processor_class": "Qwen2_5_VLProcessor"}
    values = {
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "image_token": spec.token,
    }
    if config.model_type == "llava_onevision":
        more = {"num_image_tokens": spec.tokens, "vision_aspect_ratio": config.vision_aspect_ratio}
        return {"processor_class": "LlavaOnevisionProcessor", **values, **more}
    shape = vision_shape(config.vision_config, spec.size, config.vision_feature_layer, "the checkpoint")
    patch = patch_pixels(config.vision_config, spec.size, shape)
    more = {"patch_size": patch, "num_additional_image_tokens": shape.leading}
    return {"processor_class": "LlavaProcessor", **values, **more}


def generation_config(lvlm: LVLM) -> GenerationConfig:
    """The model's own, and answers also end where training ended them."""
    own = getattr(lvlm.hf, "generation_config", None)
    config = GenerationConfig.from_dict(own.to_dict() if own is not None else {})
    end = TEMPLATES[lvlm.chat].end
    token = lvlm.tokenizer.eos_token_id if end == EOS else lvlm.tokenizer.convert_tokens_to_ids(str(end))
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    config.eos_token_id = list(dict.fromkeys(i for i in (*ends, lvlm.tokenizer.eos_token_id, token) if i is not None))
    if not config.do_sample:  # settings of sampling beside it would be refused, and have no effect
        for key in ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
            setattr(config, key, None)
    return config
