"""The import itself: what is in SRC, whether all of it fits, then DST written whole or not at all."""

import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_builders.shared.files import read_json, whole_folder, write_json
from data_builders.shared.progress import progress
from fgtrain.errors import UserError

from . import chat, internlm2, internvit
from .generation import generation_settings
from .source import INDEX, Stored, check_index, listed, read_config, stored_tensors, tensor_of
from .tensors import Part, Piece
from .tokenizer import IMAGE_TOKEN, NAMED_TOKENS, begins_with_bos, read_tokenizer
from .values import Values
from .writing import ITEM_BYTES, Outgoing, write_safetensors

KINDS = ("internvl_chat", "intern_vit_6b", "internlm2")
TORCH_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class Imported:
    """What was written."""

    kind: str
    parameters: int
    files: int
    dtype: str
    notes: tuple[str, ...]


def import_checkpoint(src: Path, dst: Path) -> Imported:
    """Write the model in `src` to `dst` in transformers' own format. UserError for anything that does not fit exactly.

    Peak memory: the largest tensor, once, beside the pages of the file it is read from.
    """
    src, dst = Path(src), Path(dst)
    if dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise UserError(f"{dst} is there already. Give a new folder, or remove it")
    values = Values(read_config(src), src / "config.json")
    kind = values.one_of("model_type", KINDS)
    part, extras = _read(values, kind, src)
    stored = stored_tensors(src)
    check_index(src, stored)
    files = _plan(part, stored, src)
    dtype = TORCH_TYPES[_most(stored)]
    part.config.dtype = dtype
    part.config.architectures = [part.model_class.__name__]
    dst.parent.mkdir(parents=True, exist_ok=True)
    _check_space(files, dst)
    with whole_folder(dst) as temporary:
        _write_weights(files, temporary)
        part.config.save_pretrained(temporary)
        extras.write(temporary)
    parameters = sum(prod(tensor.shape) for tensors in files.values() for tensor in tensors)
    return Imported(part.kind, parameters, len(files), dtype, part.notes)


@dataclass
class Extras:
    """What stands beside the weights."""

    tokenizer: Any = None
    images: dict[str, Any] | None = None
    generation: Any = None

    def write(self, folder: Path) -> None:
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
        if self.images is not None:
            write_json(folder / "preprocessor_config.json", self.images)
        if self.generation is not None:
            self.generation.save_pretrained(folder)


def _read(values: Values, kind: str, src: Path) -> tuple[Part, Extras]:
    images = src / "preprocessor_config.json"
    published = read_json(images) if images.is_file() else None
    if kind == "intern_vit_6b":
        part = internvit.vision_part(values)
        return part, Extras(images=_encoder_images(published, part.config.image_size[0]))
    tokenizer = read_tokenizer(src)
    if kind == "internlm2":
        part = internlm2.internlm2_part(values)
        check_vocabulary(tokenizer, part.config.vocab_size, src)
        return part, Extras(tokenizer, None, generation_settings(src, tokenizer))
    tokens = tokenizer.get_vocab()
    missing = [token for token in NAMED_TOKENS.values() if token not in tokens]
    if missing:
        raise UserError(f"{src}: its tokenizer lacks {', '.join(missing)}. Give the tokenizer files as published")
    template = chat.chat_template(values, begins_with_bos(tokenizer))
    settings = chat.image_settings(values, published)
    part = chat.chat_part(values, tokens[IMAGE_TOKEN])
    check_vocabulary(tokenizer, part.config.text_config.vocab_size, src)
    tokenizer.chat_template = template
    return part, Extras(tokenizer, settings, generation_settings(src, tokenizer))


def _encoder_images(published: dict[str, Any] | None, size: int) -> dict[str, Any]:
    """As published, under the name of transformers' processor; without a file what InternVL's code does."""
    if published is None:
        return {"image_processor_type": "CLIPImageProcessor", "do_center_crop": False, **chat.pixels({}, size)}
    kept = {key: value for key, value in published.items() if key not in ("auto_map", "feature_extractor_type")}
    return {**kept, "image_processor_type": "CLIPImageProcessor"}


def check_vocabulary(tokenizer: Any, embedded: int, src: Path) -> None:
    if len(tokenizer) > embedded:
        raise UserError(f"{src}: its tokenizer has {len(tokenizer)} tokens, but the model embeds only {embedded}")


def _plan(part: Part, stored: dict[str, Stored], src: Path) -> dict[str, list[Outgoing]]:
    """File name -> tensors to write, divided as in `src`. UserError unless exactly all fit, in shape too."""
    expected = {part.disk_name(name): shape for name, shape in chat.meta_state(part.model_class, part.config)}
    dropped = _tied(part, stored)
    outgoing: dict[Path, list[Outgoing]] = defaultdict(list)
    seen: dict[str, tuple[int, ...]] = {}
    surplus = []
    for tensor in stored.values():
        pieces = part.pieces(tensor.name)
        if pieces is None:
            surplus.append(tensor.name)
        elif pieces and tensor.dtype not in ITEM_BYTES:
            raise UserError(f"{tensor.file}: {tensor.name} is {tensor.dtype}; known are {', '.join(ITEM_BYTES)}")
        elif tensor.name not in dropped:
            for piece in pieces:
                shape = _shape(piece, tensor)
                seen[piece.name] = shape
                outgoing[tensor.file].append(Outgoing(piece.name, tensor.dtype, shape, partial(_cut, piece, tensor)))
    if part.tied is not None:
        for name in part.pieces(part.tied[1]) or ():
            expected.pop(name.name, None)
    surplus += sorted(seen.keys() - expected.keys())
    missing = sorted(expected.keys() - seen.keys())
    wrong = [
        f"{name} is {seen[name]}, not {expected[name]}"
        for name in sorted(seen.keys() & expected.keys())
        if seen[name] != expected[name]
    ]
    problems = [
        *([f"missing are {listed(missing, 'tensors')}"] if missing else []),
        *([f"not known are {listed(sorted(surplus), 'tensors')}"] if surplus else []),
        *([f"of another shape than config.json says are {listed(wrong, 'tensors')}"] if wrong else []),
    ]
    if problems:
        raise UserError(f"{src}: weights and config.json do not make one {part.kind}: {'; '.join(problems)}")
    number = len(outgoing)
    names = (
        ["model.safetensors"]
        if number == 1
        else [f"model-{i:05d}-of-{number:05d}.safetensors" for i in range(1, number + 1)]
    )
    return dict(zip(names, (outgoing[file] for file in sorted(outgoing)), strict=True))


def _tied(part: Part, stored: dict[str, Stored]) -> set[str]:
    """The second of two tied tensors, if it is stored as well. UserError when it differs from the first."""
    if part.tied is None or not all(name in stored for name in part.tied):
        return set()
    first, second = (tensor_of(stored[name]) for name in part.tied)
    if not torch.equal(first, second):
        raise UserError(
            f"{stored[part.tied[1]].file}: {part.tied[1]} differs from {part.tied[0]}, but tie_word_embeddings is "
            f"true. Write tie_word_embeddings: false into config.json if both were trained"
        )
    return {part.tied[1]}


def _shape(piece: Piece, tensor: Stored) -> tuple[int, ...]:
    if piece.cut is None:
        return tensor.shape
    try:
        return tuple(piece.cut(torch.empty(tensor.shape, device="meta")).shape)
    except (RuntimeError, IndexError):
        raise UserError(
            f"{tensor.file}: {tensor.name} of shape {tensor.shape} cannot be cut as config.json says"
        ) from None


def _cut(piece: Piece, tensor: Stored) -> Tensor:
    whole = tensor_of(tensor)
    return whole if piece.cut is None else piece.cut(whole)


def _most(stored: dict[str, Stored]) -> str:
    """The type that most numbers have."""
    count: Counter[str] = Counter()
    for tensor in stored.values():
        if tensor.dtype in ITEM_BYTES:
            count[tensor.dtype] += prod(tensor.shape)
    return count.most_common(1)[0][0]


def _check_space(files: dict[str, list[Outgoing]], dst: Path) -> None:
    needed = sum(tensor.bytes for tensors in files.values() for tensor in tensors)
    free = shutil.disk_usage(dst.parent).free
    if needed > free:
        raise UserError(f"{dst} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free there")


def _write_weights(files: dict[str, list[Outgoing]], folder: Path) -> None:
    total = sum(map(len, files.values()))
    with progress("import", "tensors", total) as advance:
        for name, tensors in files.items():
            write_safetensors(folder / name, tensors, advance)
    if len(files) > 1:
        table = {tensor.name: name for name, tensors in files.items() for tensor in tensors}
        size = sum(tensor.bytes for tensors in files.values() for tensor in tensors)
        write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": dict(sorted(table.items()))})
