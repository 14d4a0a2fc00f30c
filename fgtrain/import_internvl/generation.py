"""When an imported model's answer ends."""

from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from data_builders.shared.files import read_json

KEPT = ("bos_token_id", "pad_token_id", "do_sample", "temperature", "top_p", "top_k", "repetition_penalty")


def generation_settings(src: Path, tokenizer: Any) -> GenerationConfig:
    """As published, and answers also end on the turn's end <|im_end|>, as the published chat code has it."""
    path = src / "generation_config.json"
    published = read_json(path) if path.is_file() else {}
    ends = published.get("eos_token_id")
    ends = list(ends) if isinstance(ends, list) else [ends] if isinstance(ends, int) else []
    vocabulary = tokenizer.get_vocab()
    for end in (tokenizer.eos_token_id, vocabulary.get("<|im_end|>")):
        if end is not None and end not in ends:
            ends.append(end)
    kept = {key: published[key] for key in KEPT if published.get(key) is not None}
    kept.setdefault("bos_token_id", tokenizer.bos_token_id)
    kept.setdefault("pad_token_id", tokenizer.pad_token_id)
    return GenerationConfig(eos_token_id=ends, **kept)
