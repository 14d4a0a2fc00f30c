"""What identifies the weights that a model starts from, by their files: no model is loaded, torch is not needed."""

import hashlib
from pathlib import Path

from fgtrain.recipe.model_schema import PARTS, Model

from .file_memo import file_sha256


def weights_of(model: Model, memo: Path | None = None) -> dict[str, str] | None:
    """Part -> hash of its weights' files, None unless all of them lie on this machine. `memo`: see `file_sha256`.

    A released checkpoint has one hash for all parts; a composed model's fresh projector has none.
    """
    if model.checkpoint is not None:
        hashes = dict.fromkeys(PARTS, _folder_hash(model.checkpoint, False, memo))
    else:
        chosen = {"vision_encoder": model.vision_encoder, "language_model": model.language_model}
        hashes = {part: _folder_hash(value, part in model.from_scratch, memo) for part, value in chosen.items()}
    return None if None in hashes.values() else hashes


def _folder_hash(value: str | None, from_scratch: bool, memo: Path | None) -> str | None:
    """Hash of a local folder's config and weight files; None when it is not here or has no weights."""
    folder = Path(value).expanduser() if value is not None else None
    if folder is None or not (folder / "config.json").is_file():
        return None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights and not from_scratch:
        return None
    digest = hashlib.sha256()
    for path in [folder / "config.json", *([] if from_scratch else weights)]:
        digest.update(f"{path.name}\x1f{file_sha256(path, memo)}\x1f".encode())
    return digest.hexdigest()
