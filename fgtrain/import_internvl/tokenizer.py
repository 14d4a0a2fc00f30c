"""A published tokenizer as a fast one: from tokenizer.json, from Qwen's own files, or from sentencepiece."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from data_builders.shared.files import read_json, write_json
from fgtrain.errors import UserError

from .sentencepiece import byte_pair_tokenizer, read_proto

IMAGE_TOKEN = "<IMG_CONTEXT>"
NAMED_TOKENS = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": IMAGE_TOKEN}
FILES = ("tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json")
ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}  # InternLM2's defaults


def read_tokenizer(src: Path) -> PreTrainedTokenizerFast:
    """The tokenizer in `src`. None of its code is run. UserError when an added token would not keep its id."""
    path = src / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    settings.pop("auto_map", None)
    added = added_tokens(src, settings)
    if IMAGE_TOKEN in {token.content for token in added.values()}:
        settings |= NAMED_TOKENS  # by these names transformers' processor finds them
    if (src / "tokenizer.json").is_file() or (src / "vocab.json").is_file():
        tokenizer = _from_files(src, settings)
    elif (src / "tokenizer.model").is_file():
        tokenizer = _from_sentencepiece(src / "tokenizer.model", settings, added)
    else:
        raise UserError(f"{src} holds no tokenizer (tokenizer.model, tokenizer.json or vocab.json)")
    vocabulary = tokenizer.get_vocab()
    for number, token in sorted(added.items()):
        if vocabulary.get(token.content) != number:
            raise UserError(
                f"{src}: added token {token.content!r} is {number} as published, but {vocabulary.get(token.content)} "
                f"here. Copy the tokenizer's files again"
            )
    return tokenizer


def added_tokens(src: Path, settings: dict[str, Any]) -> dict[int, AddedToken]:
    """Id -> token, of tokenizer_config.json and, for ids that it lacks, of added_tokens.json."""
    found = {}
    for number, token in settings.get("added_tokens_decoder", {}).items():
        flags = {key: bool(token[key]) for key in ("lstrip", "rstrip", "single_word") if key in token}
        special = bool(token.get("special"))
        found[int(number)] = AddedToken(
            token["content"], normalized=bool(token.get("normalized", not special)), special=special, **flags
        )
    path = src / "added_tokens.json"
    for content, number in (read_json(path) if path.is_file() else {}).items():
        found.setdefault(int(number), AddedToken(content, normalized=False, special=True))
    return found


def begins_with_bos(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]


def _from_files(src: Path, settings: dict[str, Any]) -> Any:
    """By transformers' own class, from a folder without code and without a config that asks for some."""
    if (src / "tokenizer.json").is_file() and str(settings.get("tokenizer_class", "")).startswith("InternLM2"):
        settings = {**settings, "tokenizer_class": "PreTrainedTokenizerFast"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in FILES:
            if (src / file).is_file():
                shutil.copy(src / file, folder)
        write_json(folder / "tokenizer_config.json", settings)
        try:
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"{src}: its tokenizer cannot be read ({first[:200]})") from None


def _from_sentencepiece(path: Path, settings: dict[str, Any], added: dict[int, AddedToken]) -> PreTrainedTokenizerFast:
    roles = {role: _content(settings.get(role, default)) for role, default in ROLES.items()}
    beginning = roles["bos_token"] if settings.get("add_bos_token", True) else None
    end = roles["eos_token"] if settings.get("add_eos_token", False) else None
    inner = byte_pair_tokenizer(read_proto(path), added, path, beginning, end)
    extra = [_content(token) for token in settings.get("additional_special_tokens") or []]
    longest = settings.get("model_max_length")
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **roles,
        **{role: settings[role] for role in NAMED_TOKENS if role in settings},
        additional_special_tokens=extra,
        clean_up_tokenization_spaces=False,
        chat_template=settings.get("chat_template"),
        **({"model_max_length": longest} if longest is not None else {}),
    )


def _content(token: Any) -> str | None:
    return token["content"] if isinstance(token, dict) else token
