"""Checkpoints in Hugging Face format: whole or not at all, read back before they count, identified by their weights."""

import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers.core_model_loading import revert_weight_conversion

from data_builders.shared.files import atomic_write, read_json, refuse_limit, write_json
from data_builders.shared.progress import busy
from data_builders.shared.temporary_files import open_to_others
from fgtrain.checksums import CARD, NOTES, is_checkpoint, verify_checksums, write_checksums
from fgtrain.images import spec_from_dict

from .adapter import Adapter, write_adapter
from .adapter_layers import adapters
from .export import write_processor
from .families import family_of, released_images
from .lvlm import LVLM
from .released_chat import published_chat
from .sources import Source
from .tensors import ALL, Tensors
from .vocabulary import with_image_token

SHARD = "5GB"  # largest weights file; while one is written it is held in memory a second time


def save_checkpoint(
    lvlm: LVLM, folder: Path, extra: dict, adapter: Adapter | None = None, card: str | None = None
) -> None:
    """Write config, safetensors, all that processes text and pictures (see `write_processor`), fgtrain.json (`extra`
    under that key) and, over all of it, SHA256SUMS; beside them a model card, and what adapters have learnt in a folder
    of its own.

    Everything goes to a temporary sibling, is read back and compared tensor by tensor, then takes the place of
    `folder`. Memory beside the model's own: one weights file. Raises UserError when the disk is full; RuntimeError
    while LoRA adapters are not merged, or when what was read back differs.
    """
    if adapters(lvlm.hf):
        raise RuntimeError("merge_adapters before saving: other programs read plain weights")
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = folder.parent / f".{folder.name}.writing", folder.parent / f".{folder.name}.old"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with busy(f"saving {folder}"):
            _write(lvlm, temporary, extra, card)
            _compare(lvlm, temporary)
            if adapter is not None:
                write_adapter(adapter, temporary)
        write_checksums(temporary)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        refuse_limit(error, folder)
        raise
    finally:
        _put_back(old, folder)
        shutil.rmtree(temporary, ignore_errors=True)


def _put_back(old: Path, folder: Path) -> None:
    """Folders cannot be exchanged at once: what fails between the two renames leaves the old one under another name."""
    if old.exists() and not folder.exists():
        old.rename(folder)


def _write(lvlm: LVLM, folder: Path, extra: dict, card: str | None) -> None:
    folder.mkdir()
    lvlm.hf.save_pretrained(folder, max_shard_size=SHARD)
    write_processor(lvlm, folder)
    spec = lvlm.image_spec.to_dict()
    notes = {"chat": lvlm.chat, "max_tokens": lvlm.max_tokens, "image_spec": spec, "extra": extra}
    write_json(folder / NOTES, notes)
    if card is not None:
        with atomic_write(folder / CARD) as file:
            file.write(card)
    open_to_others(folder)


def _compare(lvlm: LVLM, folder: Path) -> None:
    """RuntimeError unless the files hold the model: its architecture, its vocabulary, every tensor bit by bit."""
    source = Source("checkpoint", str(folder), network=False)
    with torch.device("meta"):
        again = lvlm.family.model_class(source.config())
    shapes = {name: tensor.shape for name, tensor in lvlm.hf.state_dict().items()}
    if {name: tensor.shape for name, tensor in again.state_dict().items()} != shapes:
        raise RuntimeError("read back as another architecture")
    if source.tokenizer().get_vocab() != lvlm.tokenizer.get_vocab():
        raise RuntimeError("read back with another vocabulary")
    # The names in the files, which differ from those in the model.
    expected = revert_weight_conversion(lvlm.hf, lvlm.hf.state_dict())
    found = set()
    for path in source.weights():
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                if name not in expected or not torch.equal(file.get_tensor(name), expected[name].detach().cpu()):
                    raise RuntimeError(f"read back with another {name}")
                found.add(expected[name].data_ptr())
    if missing := [name for name, tensor in expected.items() if tensor.data_ptr() not in found and tensor.numel()]:
        raise RuntimeError(f"read back without {', '.join(missing[:4])}")


def load_checkpoint(
    folder: Path,
    *,
    chat: str | None = None,
    max_tokens: int = 2048,
    verify: bool = True,
    device: torch.device | str = "cpu",
    parts: frozenset[str] = ALL,
) -> LVLM:
    """The model in a folder that `save_checkpoint` wrote, in fp32 on a device, as `build_model` brings it there (or on
    the meta device, an outline).

    Also a plain released LVLM's folder; `chat` (default: as published) and `max_tokens` stand in for what it does not
    say. Parts other than `parts` are not read and lie on the meta device. UserError when the folder is not what was
    saved there; without `verify`, a caller who knows it is.
    """
    tensors = Tensors(parts=parts, device=device)
    if verify and is_checkpoint(Path(folder)):
        verify_checksums(Path(folder), contents=bool(tensors.parts))
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
    with busy(f"loading {folder}"):
        hf, tokenizer = tensors.released(source, family.model_class, config, family.parts), source.tokenizer()
    spec = with_image_token(spec, tokenizer, config)
    return LVLM(hf, family, tokenizer, spec, chat or published_chat(source, tokenizer, family, spec), max_tokens)
