"""The files beside the weights by which other programs process pictures and text as training did."""

from pathlib import Path

from transformers import GenerationConfig

from data_builders.shared.files import atomic_write, write_json
from fgtrain.templates import EOS, TEMPLATES

from .chat_template import chat_template
from .lvlm import LVLM
from .vocabulary import name_image_tokens


def write_processor(lvlm: LVLM, folder: Path) -> None:
    """tokenizer, chat_template.jinja, generation_config.json, preprocessor_config.json and, for a native class,
    processor_config.json: what `AutoProcessor` reads.
    """
    name_image_tokens(lvlm.tokenizer, lvlm.hf.config.model_type)
    lvlm.tokenizer.save_pretrained(folder)
    with atomic_write(folder / "chat_template.jinja") as file:
        file.write(chat_template(lvlm.chat, lvlm.tokenizer, lvlm.image_spec, picture(lvlm)))
    generation_config(lvlm).save_pretrained(folder)
    settings, processor = lvlm.image_spec.settings(), lvlm.family.processor
    if processor is None:
        write_json(folder / "preprocessor_config.json", settings)
        return
    config = processor.config(lvlm.hf.config, lvlm.image_spec)
    write_json(folder / "processor_config.json", config)
    own = {} if processor.image is None else {"image_processor_type": processor.image}
    images = {**own, **settings, "processor_class": config["processor_class"]}
    write_json(folder / "preprocessor_config.json", images)
    if processor.video is not None:
        videos = {**settings, "video_processor_type": processor.video}
        write_json(folder / "video_preprocessor_config.json", videos)


def picture(lvlm: LVLM) -> str | None:
    """What stands for one picture in a text, before the processor repeats it; None for a ComposedLVLM."""
    spec = lvlm.image_spec
    if not spec.token:
        return None
    processor = lvlm.family.processor
    return None if processor is None else processor.picture(spec)


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
