"""What transformers 4.57 reads otherwise than transformers 5 writes it: names of tensors, keys of config and tokenizer.

Read in the sources of both (4.57.6: modeling_rope_utils, configuration_utils, tokenization_utils_base and each family's
modeling and configuration file). Weights saved by 5 load in 4.57 without a word where a name is not found: it is drawn
anew. So is a rotary base that stands elsewhere: it takes the class's default.
"""

from collections.abc import Iterable
from typing import Any

# Encoders whose tensors stand one level deeper, in the published files too; of a composed model 5 writes none.
NESTED = ("clip_vision_model", "siglip_vision_model")
STANDARD = {f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")}
# modeling_idefics3.py of 4.57 puts a patch on a border between two positions into the one before.
COMPUTED_OTHERWISE = dict.fromkeys(("idefics3", "smolvlm"), "gives patches of pictures other positions")
KEPT = ("Qwen2Tokenizer",)  # classes that 4.57 has too, and whose processors ask for them
OF_THIS_MACHINE = ("_name_or_path", "is_local", "local_files_only", "backend")


def tensor_name(name: str, config: dict[str, Any]) -> str:
    """The name that 4.57, vLLM and the published files have for a tensor that a checkpoint calls `name`."""
    if config.get("vision_config", {}).get("model_type") not in NESTED:
        return name
    tower, dot, rest = name.partition("vision_tower.")
    return name if not dot or rest.startswith("vision_model.") else f"{tower}vision_tower.vision_model.{rest}"


def model_config(config: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """config.json for 4.57. `names`: of all tensors that are written."""
    made = _section(config)
    # 4.57 looks for it beside the language model's sizes, 5 beside the whole model's; a class's default may differ.
    tied = not any(name.endswith("lm_head.weight") for name in names)
    made["tie_word_embeddings"] = tied
    if isinstance(made.get("text_config"), dict):
        made["text_config"]["tie_word_embeddings"] = tied
    return made


def _section(values: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key == "rope_parameters" and isinstance(value, dict):
            made |= _rotary(value)
        elif key == "dtype":
            made["torch_dtype"] = value
        elif isinstance(value, dict):
            made[key] = _section(value)
        else:
            made[key] = value
    return made


def _rotary(values: dict[str, Any]) -> dict[str, Any]:
    """rope_theta, rope_scaling and the like beside each other, of what 5 keeps in one section."""
    if "full_attention" in values:  # Gemma 3: one section a kind of layer
        local = values["sliding_attention"]["rope_theta"]
        return _rotary(values["full_attention"]) | {"rope_local_base_freq": local}
    if values.get("rope_type") == "axial":  # of Qwen's encoder, which has no such key in 4.57
        return {}
    rest = dict(values)
    made = {key: rest.pop(key) for key in ("rope_theta", "partial_rotary_factor") if key in rest}
    kind = rest.pop("rope_type", "default")
    scaled = kind != "default" or rest
    return made | {"rope_scaling": {"rope_type": kind, "type": kind, **rest} if scaled else None}


def tokenizer_config(values: dict[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json for 4.57: the tokenizer is the one in tokenizer.json, to which its own classes add."""
    made = {key: value for key, value in values.items() if key not in OF_THIS_MACHINE}
    if made.get("tokenizer_class") not in KEPT:
        made["tokenizer_class"] = "PreTrainedTokenizerFast"
    more = made.pop("extra_special_tokens", None)
    if more:
        made["additional_special_tokens"] = more
    named = {k: v for k, v in made.items() if k.endswith("_token") and k not in STANDARD and isinstance(v, str)}
    if named:
        made["extra_special_tokens"] = named
    return made


def without_places(values: dict[str, Any]) -> dict[str, Any]:
    """A config without paths of the machine that it was made on."""
    return {
        key: without_places(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if key not in OF_THIS_MACHINE
    }
