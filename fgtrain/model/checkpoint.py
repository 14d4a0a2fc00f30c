"""Checkpoints in Hugging Face format: whole or not at all, read back before they count, identified by their weights."""

import errno
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from data_builders.files import read_json, write_json
from fgtrain.errors import UserError
from fgtrain.images import spec_from_dict

from .families import family_of, released_images
from .lvlm import LVLM
from .sources import Source
from .trainable import adapters

NOTES = "fgtrain.json"  # what transformers has no place for
DECIDED_BY = {  # beginnings of the config's keys that decide what a part's weights compute
    "vision_encoder": ("model_type", "vision_", "pooled", "leading", "image_size", "image_tokens", "downsample"),
    "projector": ("projector",),
    "language_model": ("text_config",),
}


def save_checkpoint(lvlm: LVLM, folder: Path, extra: dict) -> None:
    """Write config, safetensors, tokenizer, preprocessor_config.json and fgtrain.json (`extra` under that key).

    Everything goes to a temporary sibling, is loaded again and compared tensor by tensor, then takes the place of
    `folder`. Raises UserError when the disk is full; RuntimeError while LoRA adapters are not merged, or when what was
    read back differs.
    """
    if adapters(lvlm.hf):
        raise RuntimeError("merge_adapters before saving: other programs read plain weights")
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = folder.parent / f".{folder.name}.writing", folder.parent / f".{folder.name}.old"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(lvlm, temporary, extra)
        _compare(lvlm, load_checkpoint(temporary))
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if full:
            raise UserError(f"no space left while writing {folder}; what was there before is unchanged") from error
        raise
    finally:
        _put_back(old, folder)
        shutil.rmtree(temporary, ignore_errors=True)


def _put_back(old: Path, folder: Path) -> None:
    """Folders cannot be exchanged at once: what fails between the two renames leaves the old one under another name."""
    if old.exists() and not folder.exists():
        old.rename(folder)


def _write(lvlm: LVLM, folder: Path, extra: dict) -> None:
    folder.mkdir()
    lvlm.hf.save_pretrained(folder)
    lvlm.tokenizer.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", lvlm.image_spec.settings())
    spec = lvlm.image_spec.to_dict()
    notes = {"chat": lvlm.chat, "max_tokens": lvlm.max_tokens, "image_spec": spec, "extra": extra}
    write_json(folder / NOTES, notes)


def _compare(lvlm: LVLM, again: LVLM) -> None:
    ours, theirs = lvlm.state_dict(), again.state_dict()
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"read back with other tensors: {sorted(ours.keys() ^ theirs.keys())[:4]}")
    for name, tensor in ours.items():
        if not torch.equal(tensor.detach().cpu(), theirs[name]):
            raise RuntimeError(f"read back with another {name}")


def load_checkpoint(folder: Path, *, chat: str = "vicuna_v1", max_tokens: int = 2048) -> LVLM:
    """The model in a folder that `save_checkpoint` wrote, in fp32 on the CPU.

    Also a plain released LVLM's folder; `chat` and `max_tokens` stand in for what it does not say.
    """
    source = Source("checkpoint", str(folder), network=False)
    config = source.config()
    family = family_of(config, str(folder))
    path = source.file(NOTES)
    if path is not None:
        notes = read_json(path)
        chat, max_tokens = notes["chat"], notes["max_tokens"]
        spec = spec_from_dict(notes["image_spec"])
    else:
        spec = released_images(source, config)
    hf = source.load(family.model_class, config)
    return LVLM(hf, family, source.tokenizer(), spec, chat, max_tokens)


def weights_hash(lvlm: LVLM) -> str:
    """16 hex digits over every tensor's name, type and bytes. Equal weights have equal hashes on every machine."""
    return _hash(lvlm.hf.state_dict().items())


def part_hash(lvlm: LVLM, part: str) -> str:
    """The same over one part, plus what decides its output beside weights (an encoder's layer choice and pooling)."""
    kept = {k: v for k, v in lvlm.hf.config.to_dict().items() if k.startswith(DECIDED_BY[part])}
    return _hash(lvlm.parts[part].state_dict().items(), repr(sorted(_plain(kept).items())))


def _plain(value: object) -> object:
    """A config as plain values, without what says only where or by which version it was made."""
    if isinstance(value, dict):
        dropped = {"_name_or_path", "transformers_version", "dtype", "architectures"}
        return {k: _plain(v) for k, v in sorted(value.items()) if k not in dropped}
    return value


def _hash(tensors: Iterable[tuple[str, Tensor]], salt: str = "") -> str:
    digest = hashlib.blake2b(salt.encode(), digest_size=8)
    for name, tensor in sorted(tensors):
        digest.update(f"\x1f{name}\x1f{tensor.dtype}\x1f{tuple(tensor.shape)}\x1f".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
