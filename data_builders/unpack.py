"""`unpack`: the pictures of CIFAR-100 as files, train/ and test/, a folder per superclass and in it one per class.

Reads the binary version (cifar-100-binary/: train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt) or the
parquet files of the Hugging Face copy. The python version is made of pickles, which run any code that is in them when
they are opened, so it is refused.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from .builder import Builder
from .builder_code import builder_code
from .options import Options
from .shared.build_marker import claim_folder, release_folder
from .shared.errors import UserError
from .shared.files import safe_join, write_bytes, write_json
from .shared.progress import progress
from .sources.reading import numbered_lines
from .touched_files import note_read

SIDE = 32  # pixels
RECORD = 2 + 3 * SIDE * SIDE  # bytes: coarse label, fine label, then the red, green and blue plane
SPLITS = ("train", "test")


class UnpackOptions(Options):
    source: Literal["cifar100"] = Field(description="the data set whose pictures are packed: cifar100")


@dataclass(frozen=True)
class Packed:
    """One picture of a packed data set."""

    place: str
    split: str
    coarse: int
    fine: int
    data: bytes
    suffix: str


def build(root: Path, out: Path, options: UnpackOptions) -> None:
    names, pictures = open_cifar(root)
    code = builder_code("unpack")
    claim_folder(out, {"root": str(root.resolve()), **options.identity()}, code.hash, SPLITS)
    counts, parent = dict.fromkeys(SPLITS, 0), {}
    with progress("unpacking", "pictures") as advance:
        for one in pictures:
            fine, coarse = name_of(names, "fine", one.fine, one), name_of(names, "coarse", one.coarse, one)
            if parent.setdefault(fine, coarse) != coarse:
                raise UserError(f"{one.place}: {fine} lies in {coarse}, before in {parent[fine]}")
            path = f"{one.split}/{coarse}/{fine}/{counts[one.split]:05}.{one.suffix}"
            write_bytes(safe_join(out, path), one.data)
            counts[one.split] += 1
            advance(1)
    for split, count in counts.items():
        if not count:
            raise UserError(f"{root} has no {split} pictures")
    write_json(
        out / "manifest.json",
        {
            "name": out.name,
            "builder": "unpack",
            "code": code.to_dict(),
            "images": sum(counts.values()),
            "splits": counts,
            "root": os.path.relpath(root.resolve(), out.resolve()),
            "options": options.identity(),
        },
    )
    release_folder(out)


def name_of(names: dict[str, list[str]], kind: str, number: int, one: Packed) -> str:
    if not 0 <= number < len(names[kind]):
        raise UserError(f"{one.place}: {kind} label {number}, but there are {len(names[kind])} names")
    return names[kind][number]


def open_cifar(root: Path) -> tuple[dict[str, list[str]], Iterator[Packed]]:
    """The names of the fine and coarse labels, and the pictures, from whichever version lies at `root`."""
    for folder in (root, root / "cifar-100-binary"):
        if (folder / "train.bin").exists():
            files = {kind: folder / f"{kind}_label_names.txt" for kind in ("fine", "coarse")}
            names = {kind: [line for _, line in numbered_lines(path)] for kind, path in files.items()}
            return checked(names, folder), from_binary(folder)
    for folder in (root, root / "cifar100", root / "data"):
        files = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in SPLITS}
        if all(files.values()):
            return checked(parquet_names(files["train"][0]), folder), from_parquet(files)
    if any((folder / "meta").exists() for folder in (root, root / "cifar-100-python")):
        raise UserError(
            f"{root} has the python version of CIFAR-100: pickles, which can run any code when they are opened. "
            "Download https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz instead"
        )
    raise UserError(
        f"{root} has neither cifar-100-binary/train.bin nor train-*.parquet and test-*.parquet; get "
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz and unpack it there"
    )


def checked(names: dict[str, list[str]], place: Path) -> dict[str, list[str]]:
    """The names become folders: each must be there once and be nothing but a name."""
    for kind, found in names.items():
        for name in found:
            if found.count(name) > 1 or "/" in name or name.startswith("."):
                raise UserError(f"{place}: {kind} label name {name!r} is there twice or is no name of a folder")
    return names


def from_binary(folder: Path) -> Iterator[Packed]:
    for split in SPLITS:
        path, number = folder / f"{split}.bin", 0
        if not path.exists():
            raise UserError(f"no file {path}; unpack the archive again")
        with open(path, "rb") as file:
            while record := file.read(RECORD):
                number += 1
                place = f"{path}, picture {number}"
                if len(record) < RECORD:
                    raise UserError(f"{place}: {len(record)} bytes instead of {RECORD}; the file is cut off")
                planes = np.frombuffer(record, np.uint8, offset=2).reshape(3, SIDE, SIDE)
                stream = BytesIO()
                Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0))).save(stream, "PNG")
                yield Packed(place, split, record[0], record[1], stream.getvalue(), "png")


def parquet_names(path: Path) -> dict[str, list[str]]:
    """The label names that Hugging Face's `datasets` keeps in a parquet file."""
    import pyarrow.parquet as parquet

    try:
        features = json.loads(parquet.read_schema(path).metadata[b"huggingface"])["info"]["features"]
        return {kind: [str(name) for name in features[f"{kind}_label"]["names"]] for kind in ("fine", "coarse")}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: no names of fine_label and coarse_label in it ({error}); download it again") from None


def from_parquet(files: dict[str, list[Path]]) -> Iterator[Packed]:
    import pyarrow
    import pyarrow.parquet as parquet

    columns = ["img", "fine_label", "coarse_label"]
    for split, paths in files.items():
        for path in paths:
            number = 0
            note_read(path)
            try:
                for batch in parquet.ParquetFile(path).iter_batches(batch_size=1000, columns=columns):
                    for row in batch.to_pylist():
                        number += 1
                        place, data = f"{path}, row {number}", (row["img"] or {}).get("bytes")
                        if not isinstance(data, bytes) or data[:4] != b"\x89PNG":
                            raise UserError(f"{place}: img holds no PNG")
                        yield Packed(place, split, row["coarse_label"], row["fine_label"], data, "png")
            except (OSError, KeyError, pyarrow.ArrowException) as error:
                raise UserError(f"{path} cannot be read ({error}); download it again") from None


BUILDER = Builder(
    "picture files of a data set that is downloaded packed (CIFAR-100: binary version or parquet files)",
    UnpackOptions,
    build,
    example="--source cifar100 --root cifar-100-binary",
)
