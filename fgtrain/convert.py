"""python -m fgtrain convert SRC DST [--network]

Weights that were published as pickles (pytorch_model.bin) become safetensors, bit by bit, beside the model's other
files. Only tensors are read (torch.load with weights_only): nothing that a pickle could run is run.
"""

import argparse
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.shared.files import read_json, whole_folder, write_json
from data_builders.shared.progress import progress
from data_builders.shared.terminal import say
from fgtrain.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fgtrain.import_internvl.writing import Outgoing

PICKLED_INDEX, INDEX = "pytorch_model.bin.index.json", "model.safetensors.index.json"
BESIDE = ["*.json", "*.txt", "*.jinja", "*.model"]  # what is copied
DTYPES = {"torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}
COUNTED = "position_ids"  # buffers of 0, 1, 2, ..., which models make themselves


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("src", metavar="SRC", help="a folder with config.json and pytorch_model*.bin, or a hub id")
    top.add_argument("dst", metavar="DST", type=Path, help="a new folder; it appears when it is whole")
    top.add_argument("--network", action="store_true", help="download SRC from the hub if it is not on this machine")
    return top


def main(words: list[str]) -> None:
    arguments = parser().parse_args(words)
    files, tensors = convert(find_folder(arguments.src, arguments.network), arguments.dst)
    say(f"{arguments.dst}: {tensors} tensors in {files} files")


def find_folder(src: str, network: bool) -> Path:
    """The folder itself, or a hub id's in the local cache, downloaded first if `network`. UserError."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    folder = Path(src).expanduser()
    if folder.is_dir():
        return folder
    wanted = [*BESIDE, "pytorch_model*.bin"]
    try:
        return Path(huggingface_hub.snapshot_download(src, allow_patterns=wanted, local_files_only=not network))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError, OSError):
        advice = "Check the name" if network else "Add --network to download it from the hub"
        raise UserError(f"{src}: no such folder, and not in the local hub cache. {advice}") from None


def convert(src: Path, dst: Path) -> tuple[int, int]:
    """Write `dst` whole or not at all; returns (files, tensors). UserError for what holds anything but tensors.

    Peak memory: a file of `src` is mapped, and read tensor by tensor; one of the format before torch 1.6 is read whole.
    """
    if dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise UserError(f"{dst} is there already. Give a new folder, or remove it")
    pickles = pickled_files(src)
    dst.parent.mkdir(parents=True, exist_ok=True)
    needed, free = sum(path.stat().st_size for path in pickles), shutil.disk_usage(dst.parent).free
    if needed > free:
        raise UserError(f"{dst} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free there")
    with whole_folder(dst) as temporary:
        table, size = _write(pickles, temporary)
        for path in sorted(path for pattern in BESIDE for path in src.glob(pattern)):
            if path.name != PICKLED_INDEX:
                shutil.copyfile(path, temporary / path.name)
        if len(pickles) > 1:
            write_json(temporary / INDEX, {"metadata": {"total_size": size}, "weight_map": dict(sorted(table.items()))})
    return len(pickles), len(table)


def pickled_files(src: Path) -> list[Path]:
    """The files of pickled weights, by their index where there is one. UserError when any is missing."""
    if not (src / "config.json").is_file():
        raise UserError(f"{src} holds no config.json. Give a folder as published on the hub")
    index = src / PICKLED_INDEX
    if index.is_file():
        names = sorted({Path(str(name)).name for name in read_json(index)["weight_map"].values()})
    else:
        names = ["pytorch_model.bin"]
    missing = [name for name in names if not (src / name).is_file()]
    if missing and any(src.glob("*.safetensors")):
        raise UserError(f"{src} holds safetensors already: it needs no converting. Name it in the recipe as it is")
    if missing:
        raise UserError(f"{src} holds no {missing[0]}. Give a folder with the files as published on the hub")
    return [src / name for name in names]


def _write(pickles: list[Path], folder: Path) -> tuple[dict[str, str], int]:
    """(tensor -> its file, bytes of all)."""
    from fgtrain.import_internvl.writing import write_safetensors

    table: dict[str, str] = {}
    size = 0
    with progress("converting", "files", len(pickles)) as advance:
        for number, path in enumerate(pickles, 1):
            name = "model.safetensors" if len(pickles) == 1 else f"model-{number:05d}-of-{len(pickles):05d}.safetensors"
            tensors = [_outgoing(path, key, tensor) for key, tensor in _tensors(path).items()]
            if twice := [tensor.name for tensor in tensors if tensor.name in table]:
                raise UserError(f"{path}: {twice[0]} is in {table[twice[0]]} as well. Remove one of the files")
            write_safetensors(folder / name, tensors, lambda done: None)
            table |= dict.fromkeys((tensor.name for tensor in tensors), name)
            size += sum(tensor.bytes for tensor in tensors)
            advance(1)
    return table, size


def _tensors(path: Path) -> dict[str, "Tensor"]:
    """What is in a pickle, but for counted positions. UserError unless it is tensors by name and nothing else."""
    from torch import Tensor

    try:
        found = _loaded(path)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path} holds more than tensors, or is damaged; nothing of it was run ({first})") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no weights by name. Give a model's pytorch_model.bin")
    if strange := [key for key, value in found.items() if not isinstance(value, Tensor)]:
        raise UserError(f"{path}: {strange[0]} is no tensor. Give a model's weights by name, without what trained them")
    return {key: tensor for key, tensor in found.items() if not key.endswith(COUNTED)}


def _loaded(path: Path) -> Any:
    import torch

    how = {"map_location": "cpu", "weights_only": True}
    try:
        return torch.load(path, mmap=True, **how)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return torch.load(path, **how)


def _outgoing(path: Path, name: str, tensor: "Tensor") -> "Outgoing":
    from fgtrain.import_internvl.writing import Outgoing

    if str(tensor.dtype) not in DTYPES:
        raise UserError(f"{path}: {name} is {tensor.dtype}; known are {', '.join(DTYPES)}")
    return Outgoing(name, DTYPES[str(tensor.dtype)], tuple(tensor.shape), tensor.detach)
