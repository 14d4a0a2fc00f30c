"""A folder's files vouched for by SHA256SUMS, as `sha256sum -c` reads it: what was written halfway, cut off on a copy
or altered since is refused instead of trained on.
"""

import re
from pathlib import Path

from data_builders.shared.files import atomic_write, sha256_file
from fgtrain.errors import UserError

SUMS = "SHA256SUMS"
NOTES = "fgtrain.json"  # what transformers has no place for
CARD = "README.md"  # for people, who add to it: vouched for by nobody
ADAPTER = "adapter"  # folder within a checkpoint: what a LoRA stage has learnt, for peft
LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write_checksums(folder: Path) -> None:
    """SHA256SUMS over every file of the folder but the model card."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (SUMS, CARD))
    with atomic_write(folder / SUMS) as file:
        for path in files:
            file.write(f"{sha256_file(path)}  {path.name}\n")


def is_checkpoint(folder: Path) -> bool:
    """Was a checkpoint saved here by this project, whatever is left of it?"""
    return (folder / SUMS).is_file() or (folder / NOTES).is_file()


def weights_sums(folder: Path) -> list[str]:
    """The hashes of the weights that SHA256SUMS lists: their identity, once the folder is verified."""
    lines = (LINE.fullmatch(line) for line in (folder / SUMS).read_text(encoding="utf-8").splitlines())
    return sorted(line[1] for line in lines if line is not None and line[2].endswith(".safetensors"))


def verify_checksums(folder: Path, *, contents: bool = True) -> None:
    """UserError, naming the file, unless every file that SHA256SUMS lists is there and the same. Others may lie beside
    them, except weights, which would be loaded in their place. Without `contents` the weights' own bytes are not read.
    """
    advice = f"Remove {folder} to have it made again, or put the original file back"
    path = folder / SUMS
    if not path.is_file():
        raise UserError(f"{folder} holds no {SUMS}, so it was not written to its end. {advice}")
    listed: dict[str, str] = {}
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise UserError(f"{path} is cut off. {advice}")
    for number, line in enumerate(text.splitlines(), 1):
        match = LINE.fullmatch(line)
        if match is None or Path(match[2]).name != match[2]:
            raise UserError(f"{path}, line {number}, is no checksum of a file beside it: {line[:80]!r}. {advice}")
        listed[match[2]] = match[1]
    for name in listed:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, but {SUMS} lists it. {advice}")
    for other in sorted(folder.glob("*.safetensors")):
        if other.name not in listed:
            raise UserError(f"{other} was not saved with this checkpoint ({SUMS} does not list it). {advice}")
    for name, known in listed.items():
        if not contents and name.endswith(".safetensors"):
            continue
        found = sha256_file(folder / name)
        if found != known:
            raise UserError(
                f"{folder / name} was altered or cut off after it was saved: its sha256 is {found[:12]}..., but {SUMS} "
                f"has {known[:12]}.... {advice}"
            )
