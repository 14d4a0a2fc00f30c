"""Parquet files as the Hugging Face hub serves them: shards of a split, pictures embedded as {bytes, path}.

Read in small batches of the columns that are needed, so a shard of gigabytes needs little memory.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from ..shared.errors import UserError
from ..shared.text_files import LFS_POINTER, refuse_lfs_pointer
from ..touched_files import note_read
from .benchmark import Picture

BATCH_ROWS = 16  # a row may hold a megabyte
BUFFER_BYTES = 1 << 20
SHARD = re.compile(r"(?P<head>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<mark>-[0-9a-f]+)?\.parquet")


def patterns(folders: Iterable[str], split: str) -> list[str]:
    """Where the shards of a split may lie below the root, for each configuration's folder ("" the root itself)."""
    found = []
    for folder in folders:
        lead = f"{folder}/" if folder else ""
        # "test-00000-of-00002.parquet", "test.parquet", and "test/0000.parquet" as the hub converts data sets
        found += [f"{lead}{split}-*.parquet", f"{lead}{split}.parquet", f"{lead}{split}/*.parquet"]
    return found


def told_patterns(folders: Iterable[str], split: str) -> list[str]:
    """The same for a message: the usual names only."""
    return [one for one in patterns(folders, split) if one.endswith("-*.parquet")]


def find_shards(root: Path, folders: Iterable[str], split: str, *, allow_partial: bool = False) -> list[Path]:
    """The shards of a split in order, from the first folder that has any; none when there are none.

    UserError when some of them are missing.
    """
    for pattern in patterns(folders, split):
        if files := sorted(path for path in root.glob(pattern) if path.is_file()):
            if not allow_partial:
                check_complete(files)
            return files
    return []


def check_complete(files: list[Path]) -> None:
    """UserError when the names say that there are more shards, or shards of two downloads."""
    matched = [SHARD.fullmatch(path.name) for path in files]
    if not all(matched):
        return
    counts = {int(one["count"]) for one in matched}
    numbers = sorted(int(one["number"]) for one in matched)
    if len(counts) > 1 or any(a == b for a, b in pairwise(numbers)):
        raise UserError(
            f"{files[0].parent} holds shards of different downloads ({', '.join(path.name for path in files[:6])}); "
            "keep those of one"
        )
    count = counts.pop()
    if missing := [number for number in range(count) if number not in numbers]:
        name = f"{matched[0]['head']}-{missing[0]:05}-of-{count:05}.parquet"
        raise UserError(
            f"{files[0].parent}: {len(missing)} of {count} shards are missing, the first: {name}. Download them too"
        )


def open_shard(path: Path):
    """The file as pyarrow has it. UserError when it is no parquet file."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        note_read(path)
        # The pages of a column are read one after another; without the buffer all of a row group's at once.
        return ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except (ArrowException, OSError) as error:
        with open(path, "rb") as file:
            refuse_lfs_pointer(path, file.read(len(LFS_POINTER)))
        reason = str(error).splitlines()[0][:160]
        raise UserError(f"{path} is not a parquet file ({reason}); download it again") from None


def columns_of(path: Path) -> list[str]:
    with open_shard(path) as file:
        return list(file.schema_arrow.names)


def count_rows(files: Iterable[Path]) -> int:
    """All rows, from the files' footers."""
    total = 0
    for path in files:
        with open_shard(path) as file:
            total += file.metadata.num_rows
    return total


def read_rows(files: Iterable[Path], needed: Iterable[str], optional: Iterable[str] = ()) -> Iterator[tuple[str, dict]]:
    """(file and row for messages, the needed columns and those of the optional ones that are there), row by row.

    UserError when a needed column is missing, naming what is there, or when the file is damaged.
    """
    from pyarrow import ArrowException

    needed, optional = list(needed), list(optional)
    for path in files:
        with open_shard(path) as file:
            there = file.schema_arrow.names
            if missing := [name for name in needed if name not in there]:
                raise UserError(f"{path}: no column {', '.join(missing)}; it has {', '.join(there) or 'none'}")
            columns = needed + [name for name in optional if name in there]
            number = 0
            batches = file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                except (ArrowException, OSError) as error:
                    reason = str(error).splitlines()[0][:160]
                    raise UserError(f"{path}: damaged after row {number} ({reason}); download it again") from None
                if batch is None:
                    break
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row


def embedded(row: dict, column: str, place: str, name: str | None = None) -> Picture:
    """The picture in a column: {bytes, path} or the bytes alone. UserError when it is not there.

    Its name is `name`, else the path that the row gives.
    """
    value = row[column]
    if isinstance(value, bytes):
        return Picture(place, name, data=value)
    if not isinstance(value, dict) or "bytes" not in value:
        raise UserError(f"{place}: {column} is {type(value).__name__}, not an embedded image ({{bytes, path}})")
    path = value.get("path")
    if value["bytes"] is None:
        raise UserError(
            f"{place}: {column} names a file ({path}) and does not hold it; download the files with embedded images"
        )
    return Picture(place, name or path or None, data=value["bytes"])
