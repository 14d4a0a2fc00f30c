"""A checkpoint as other programs want it: names, types and files, whole or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from data_builders.shared.files import read_json, whole_folder, write_json
from data_builders.shared.progress import progress
from fgtrain.checksums import ADAPTER, CARD, NOTES, SUMS, verify_checksums, write_checksums
from fgtrain.errors import UserError

from . import transformers4, vllm_loaders
from .composed import ComposedConfig
from .weight_files import (
    SHARD,
    Stored,
    in_megabytes,
    is_of_weights,
    refuse_full_disk,
    refuse_other_bytes,
    stored_in,
    write_weights,
)


def export_checkpoint(
    checkpoint: Path, to: Path, kind: str, dtype: str | None = None, card: str | None = None, shard: int = SHARD
) -> int:
    """Write the checkpoint to the new folder `to`, in a format of `fgtrain.export.FORMATS`; returns bytes of weights.

    `dtype`: what floating-point values become, by torch's name; None: as they are. `card`: README.md in place of the
    checkpoint's. Tensor by tensor: memory holds one piece of one. UserError when the checkpoint was altered, when the
    format has no place for it, when `to` is there or the disk is full.
    """
    checkpoint, to = Path(checkpoint), Path(to)
    source = checkpoint / ADAPTER if kind == ADAPTER else checkpoint
    verify_checksums(source)
    wanted = getattr(torch, dtype) if dtype is not None else None
    stored = stored_in(sorted(source.glob("*.safetensors")))
    make = FORMATS[kind]
    tensors, files = make(source, stored, dtype)
    size = sum(tensor.bytes_as(tensor.target(wanted)) for tensor in tensors.values())
    to.parent.mkdir(parents=True, exist_ok=True)
    refuse_full_disk(to, size, "Make room, choose another place, or write --dtype bf16")
    with whole_folder(to) as temporary:
        for path in sorted(source.iterdir()):
            if path.is_file() and path.name != SUMS and not is_of_weights(path):
                shutil.copyfile(path, temporary / path.name)
        for name, values in files.items():
            write_json(temporary / name, values)
        if card is not None:
            (temporary / CARD).write_text(card, encoding="utf-8")
        with progress(f"exporting {to.name}", "MB", size >> 20, brief=True) as advance:
            how = {"stem": "adapter_model"} if kind == ADAPTER else {"shard": shard}
            written = write_weights(temporary, tensors, wanted, in_megabytes(advance), **how)
        write_checksums(temporary)
        refuse_other_bytes(temporary, set(written.values()))
        if to.exists():
            raise UserError(f"{to} is there by now. Name a new folder, or move that one away")
    return size


Made = tuple[dict[str, Stored], dict[str, Any]]  # name -> tensor; file -> its JSON


def _as_it_is(source: Path, stored: dict[str, Stored], dtype: str | None) -> Made:
    config = _with_type(transformers4.without_places(read_json(source / "config.json")), dtype)
    return stored, {"config.json": config, NOTES: _notes(source, "transformers", dtype)}


def _transformers4(source: Path, stored: dict[str, Stored], dtype: str | None, kind: str = "transformers4") -> Made:
    (_, files), config = _as_it_is(source, stored, dtype), read_json(source / "config.json")
    if config["model_type"] == ComposedConfig.model_type:
        parts = (config["vision_config"]["model_type"], config["projector"], config["text_config"]["model_type"])
        raise UserError(
            f"{source} is composed of parts that no class of transformers has a place for ({', '.join(parts)}), "
            f"so {kind} cannot open it. --format transformers writes it for programs that import fgtrain.model; one "
            f"that others open has projector: mlp2x_gelu and a plain ViT, or pixel_shuffle_mlp2x_gelu and an InternViT"
        )
    if kind == "transformers4" and (how := transformers4.COMPUTED_OTHERWISE.get(config["model_type"])) is not None:
        raise UserError(
            f"{source}: transformers 4.57 {how} than 5 and than training, so that {config['model_type']} would answer "
            f"otherwise. Use transformers 5 (--format transformers) or vLLM"
        )
    renamed = {transformers4.tensor_name(name, config): tensor for name, tensor in stored.items()}
    tokenizer = read_json(source / "tokenizer_config.json")
    files |= {
        "config.json": transformers4.model_config(files["config.json"], renamed),
        "tokenizer_config.json": transformers4.tokenizer_config(tokenizer),
        NOTES: _notes(source, kind, dtype),
    }
    return renamed, files


def _vllm(source: Path, stored: dict[str, Stored], dtype: str | None) -> Made:
    tensors, files = _transformers4(source, stored, dtype, "vllm")
    vllm_loaders.read_names(files["config.json"], tensors, str(source))
    return tensors, files


def _adapter(source: Path, stored: dict[str, Stored], dtype: str | None) -> Made:
    return stored, {}


FORMATS: dict[str, Callable[[Path, dict[str, Stored], str | None], Made]] = {
    "transformers": _as_it_is,
    "transformers4": _transformers4,
    "vllm": _vllm,
    ADAPTER: _adapter,
}


def _with_type(config: dict[str, Any], dtype: str | None) -> dict[str, Any]:
    """The config, whose every section says the type that the weights have."""
    made = {key: _with_type(value, dtype) if isinstance(value, dict) else value for key, value in config.items()}
    return made | {"dtype": dtype} if dtype is not None and "dtype" in made else made


def _notes(source: Path, kind: str, dtype: str | None) -> dict[str, Any]:
    return read_json(source / NOTES) | {"exported": {"format": kind, "dtype": dtype}}
