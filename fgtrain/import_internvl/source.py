"""A published folder: its config, and its tensors by name without reading them."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from data_builders.shared.files import read_json
from fgtrain.errors import UserError

WANTED = ["*.json", "*.safetensors", "tokenizer.model", "*.txt"]  # no code
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
INDEX = "model.safetensors.index.json"
MOST_LISTED = 20


@dataclass(frozen=True)
class Stored:
    """A tensor in a file."""

    name: str
    file: Path
    dtype: str  # as safetensors writes it: BF16, F32 ...
    shape: tuple[int, ...]


def find_folder(src: str, network: bool = False) -> Path:
    """The folder that SRC names: itself, or a hub id's in the local cache, downloaded first if `network`."""
    folder = Path(src).expanduser()
    if folder.is_dir():
        return folder
    try:
        return Path(huggingface_hub.snapshot_download(src, allow_patterns=WANTED, local_files_only=not network))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError, OSError):
        advice = "Check the name" if network else "Add --network to download it from the hub"
        raise UserError(f"{src}: no such folder, and not in the local hub cache. {advice}") from None


def read_config(folder: Path) -> dict[str, Any]:
    """config.json. UserError when there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no config.json. Give a folder as published on the hub")
    values = read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path} must be a JSON object")
    return values


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files, by the index where there is one. UserError for pickled, missing or unlisted ones."""
    index = folder / INDEX
    if index.is_file():
        table = read_json(index).get("weight_map")
        if not isinstance(table, dict) or not table:
            raise UserError(f"{index} holds no weight_map. Copy the file again")
        names = sorted(set(map(str, table.values())))
        outside = [name for name in names if Path(name).name != name]
        if outside:
            raise UserError(f"{index} names {outside[0]!r}, which is not a file beside it")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder}: {listed(missing, 'files')} of {INDEX} missing. Download the rest")
        return [folder / name for name in names]
    found = sorted(folder.glob("*.safetensors"))
    if len(found) > 1:
        raise UserError(f"{folder} holds {len(found)} safetensors files, but no {INDEX}. Download that file as well")
    if found:
        return found
    pickled = [path.name for pattern in PICKLED for path in sorted(folder.glob(pattern))]
    if pickled:
        raise UserError(
            f"{folder} holds only pickled weights ({pickled[0]}), which could run code and are never read here. Make "
            f"safetensors of them first: python -m fgtrain convert {shlex.quote(str(folder))} NEW_FOLDER"
        )
    raise UserError(f"{folder} holds no weights (*.safetensors)")


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """Every tensor by name, from the files' heads. UserError for a broken file or a name that is there twice."""
    found: dict[str, Stored] = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    part = file.get_slice(name)
                    if name in found:
                        raise UserError(f"{name} is in {found[name].file} and in {path}. Remove one of the files")
                    found[name] = Stored(name, path, part.get_dtype(), tuple(part.get_shape()))
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} cannot be read ({error}). Download it again") from None
    return found


def check_index(folder: Path, found: dict[str, Stored]) -> None:
    """UserError when the index and the files do not hold the same tensors."""
    if (folder / INDEX).is_file():
        table = read_json(folder / INDEX)["weight_map"]
        wrong = sorted(name for name in table.keys() | found.keys() if name not in table or name not in found)
        if wrong:
            raise UserError(f"{folder / INDEX} and the files differ in {listed(wrong, 'tensors')}. Download both again")


def listed(names: list[str], what: str) -> str:
    """`3 tensors: a, b, c`, the first twenty by name."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"{len(names)} {what}: {', '.join(names[:MOST_LISTED])}{more}"


Reader = Callable[[str], Any]


def tensor_of(stored: Stored) -> Any:
    """The tensor itself, mapped from its file: pages are read when they are used, and can be dropped again."""
    with safe_open(stored.file, framework="pt") as file:
        return file.get_tensor(stored.name)
