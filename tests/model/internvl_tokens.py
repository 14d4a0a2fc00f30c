"""InternLM2's and Qwen2's tokenizers as they lie on the hub, smaller, and sentencepiece's way to cut a text."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers.convert_slow_tokenizer import import_protobuf

from data_builders.shared.files import write_json

SPECIAL = ["<|im_start|>", "<|im_end|>"]  # take the places of pieces that the tokenizer's model left free
BEHIND = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>"]  # come behind its last piece
WORDS = [
    "th",
    "the",
    "at",
    "cat",
    "▁t",
    "▁the",
    "▁c",
    "▁cat",
    "er",
    "in",
    "▁▁",
    "▁▁▁▁",
    "ing",
    "bird",
    "ir",
    "rd",
    "bi",
    "<s",
]
LETTERS = "abcdefghijklmnopqrstuvwxyzQA▁.,:?<>|_\n"


def pieces() -> list[tuple[str, float, int]]:
    """(text, score, type) of the sentencepiece model: InternLM2's order, smaller."""
    special = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    bytes_ = [(f"<0x{i:02X}>", 0.0, 6) for i in range(256)]
    words = [(word, -float(i), 1) for i, word in enumerate(WORDS)]
    letters = [(letter, -100.0 - i, 1) for i, letter in enumerate(LETTERS)]
    free = [(f"[UNUSED_TOKEN_{i}]", -1000.0 - i, 1) for i in range(len(SPECIAL))]
    return special + bytes_ + words + letters + free


def vocabulary_size() -> int:
    return len(pieces()) + len(BEHIND)


def write_sentencepiece(path: Path, **normalisation: Any) -> None:
    proto = import_protobuf().ModelProto()
    for text, score, kind in pieces():
        proto.pieces.add(piece=text, score=score, type=kind)
    proto.trainer_spec.model_type = 2
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.unk_id, proto.trainer_spec.unk_piece = 0, "<unk>"
    settings = {"name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False}
    for key, value in (settings | normalisation).items():
        setattr(proto.normalizer_spec, key, value)
    path.write_bytes(proto.SerializeToString())


def added_tokens(behind: bool) -> dict[str, int]:
    first = len(pieces()) - len(SPECIAL)
    return {token: first + i for i, token in enumerate(SPECIAL + (BEHIND if behind else []))}


def write_internlm2_tokenizer(folder: Path, behind: bool, **normalisation: Any) -> None:
    """tokenizer.model, tokenizer_config.json, added_tokens.json. `behind`: with InternVL's own tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sentencepiece(folder / "tokenizer.model", **normalisation)
    added = {"<unk>": 0, "<s>": 1, "</s>": 2} | added_tokens(behind)
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {str(number): {"content": token} | flags for token, number in added.items()},
        "additional_special_tokens": [token for token in added if token not in ("<unk>", "<s>", "</s>")],
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        "bos_token": "<s>",
        "chat_template": "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": 8192,
        "pad_token": "</s>",
        "tokenizer_class": "InternLM2Tokenizer",
        "unk_token": "<unk>",
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "added_tokens.json", added_tokens(behind))
    (folder / "tokenization_internlm2.py").write_text("raise RuntimeError('remote code was run')\n")


def write_qwen2_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt over bytes, with InternVL's tokens behind."""
    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(i) for i in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    merges = ["t h", "th e", "Ġ c", "a t", "Ġc at"]
    vocabulary = {text: i for i, text in enumerate(letters + [merge.replace(" ", "") for merge in merges])}
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {token: len(vocabulary) + i for i, token in enumerate(["<|endoftext|>", *SPECIAL, *BEHIND])}
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {str(number): {"content": token} | flags for token, number in added.items()},
        "additional_special_tokens": [*SPECIAL, *BEHIND],
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "added_tokens.json", added)


def cut_by_sentencepiece(text: str) -> list[str]:
    """What a byte-pair model of sentencepiece does: join the pair of the highest score until none is left."""
    scores = {piece: score for piece, score, kind in pieces() if kind == 1}
    found = list(text.replace(" ", "▁"))
    while True:
        pairs = [(-scores[a + b], i) for i, (a, b) in enumerate(pairwise(found)) if a + b in scores]
        if not pairs:
            break
        i = min(pairs)[1]
        found[i : i + 2] = [found[i] + found[i + 1]]
    bytes_ = [[p] if p in scores else [f"<0x{byte:02X}>" for byte in p.encode()] for p in found]
    return [piece for group in bytes_ for piece in group]


def image_id(values: dict[str, Any]) -> int:
    """The id of <IMG_CONTEXT> in a whole InternVL."""
    if values["llm_config"]["model_type"] == "qwen2":
        return 256 + 5 + 3 + BEHIND.index("<IMG_CONTEXT>")
    return added_tokens(True)["<IMG_CONTEXT>"]
