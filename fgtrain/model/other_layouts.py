"""Models published in layouts of their own programs: what to take, or what to type, instead."""

import shlex
from pathlib import Path
from typing import Any

from fgtrain.errors import UserError

# LLaVA in its authors' own layout -> the same in transformers'
LLAVA_RELEASES = {
    "llava-v1.5-7b": "llava-hf/llava-1.5-7b-hf",
    "llava-v1.5-13b": "llava-hf/llava-1.5-13b-hf",
    "llava-v1.6-vicuna-7b": "llava-hf/llava-v1.6-vicuna-7b-hf",
    "llava-v1.6-vicuna-13b": "llava-hf/llava-v1.6-vicuna-13b-hf",
    "llava-v1.6-mistral-7b": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava-v1.6-34b": "llava-hf/llava-v1.6-34b-hf",
}
IMPORTED_LANGUAGE_MODELS = ("InternLM2ForCausalLM", "Qwen2ForCausalLM", "LlamaForCausalLM")  # of an internvl_chat
PUBLISHED = {"internvl_chat": "an InternVL", "intern_vit_6b": "an InternViT", "internlm2": "an InternLM2"}


def refuse_other_layout(values: dict[str, Any], place: str, value: str, download: bool) -> None:
    """UserError for an InternVL, InternViT or InternLM2 as published (it says how to import it) and for a LLaVA in its
    authors' layout. `values`: config.json; `download`: would the importing command have to?
    """
    kind = values.get("model_type")
    if kind is not None and "mm_vision_tower" in values:
        release = LLAVA_RELEASES.get(Path(value).name, "llava-hf/... (of the same name)")
        raise UserError(
            f"{place} {value} is a LLaVA in its authors' own layout. Take the same in transformers': "
            f"{release}; one of your own becomes that by transformers' convert_llava_weights_to_hf"
        )
    text = values.get("llm_config") if kind == "internvl_chat" else None
    speaks = (text.get("architectures") or [""])[0] if isinstance(text, dict) else ""
    if speaks and speaks not in IMPORTED_LANGUAGE_MODELS:
        raise UserError(
            f"{place} {value} is an InternVL around {speaks} as published, which runs code of its own. "
            f"Take the same in transformers' layout: {Path(value).name}-HF of OpenGVLab on the hub"
        )
    if kind in PUBLISHED:
        network = " --network" if download else ""
        part = place.removeprefix("model.")
        raise UserError(
            f"{place} {value} is {PUBLISHED[kind]} as published, which runs code of its own; that is "
            f"never trusted here. Import it once: python -m fgtrain import-internvl "
            f"{shlex.quote(value)} NEW_FOLDER{network}, and write {part}: NEW_FOLDER"
        )
