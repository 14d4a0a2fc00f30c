"""What identifies weights: equal weights have equal hashes on every machine, wherever they lie."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from .families import family_code
from .lvlm import LVLM

DECIDED_BY = {  # beginnings of the config's keys that decide what a part's weights compute
    "vision_encoder": ("model_type", "vision_", "pooled", "leading", "image_size", "image_tokens", "downsample"),
    "projector": ("projector",),
    "language_model": ("text_config",),
}


def weights_hash(lvlm: LVLM) -> str:
    """16 hex digits over every tensor's name, type and bytes. Equal weights have equal hashes on every machine."""
    return _hash(lvlm.hf.state_dict().items())


def part_hash(lvlm: LVLM, part: str) -> str:
    """The same over one part, plus what decides its output beside weights (an encoder's layer choice and pooling; a
    user's own family)."""
    kept = {k: v for k, v in lvlm.hf.config.to_dict().items() if k.startswith(DECIDED_BY[part])}
    if (code := family_code(lvlm.hf.config.model_type)) is not None:
        kept["family_code"] = code
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
