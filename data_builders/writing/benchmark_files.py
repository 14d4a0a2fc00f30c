"""FROW on disk: <out>/FROW/<dataset>_with_reference.jsonl, and every picture at the path that its row names."""

import os
from collections.abc import Iterable
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_jsonl, safe_join, sha256_file, write_bytes
from ..shared.pictures import open_image

BENCHMARK = "FROW"
ENDING = "_with_reference.jsonl"
KEYS = ("image", "name", "question", "ref_answer")


def question_files(folder: Path) -> list[Path]:
    """The question files in a folder, in its FROW/, or in the published repository's benchmark/."""
    return [
        path
        for place in (folder, folder / BENCHMARK, folder / "benchmark")
        for path in sorted(place.glob(f"*{ENDING}"))
    ]


def dataset_of(path: Path) -> str:
    return path.name.removesuffix(ENDING)


def checked_rows(path: Path) -> Iterable[tuple[str, dict]]:
    """(file and line, row), each with exactly the published fields as text. UserError otherwise."""
    empty = True
    for number, row in enumerate(read_jsonl(path), 1):
        place, empty = f"{path}, line {number}", False
        if set(row) != set(KEYS):
            raise UserError(f"{place}: the fields must be {', '.join(KEYS)}, not {', '.join(map(str, row)) or 'none'}")
        for key in KEYS:
            if not isinstance(row[key], str) or not row[key].strip():
                raise UserError(f"{place}: {key} is {row[key]!r}; it must be text")
        yield place, row
    if empty:
        raise UserError(f"{path} holds no questions")


def put_image(source: Path, benchmark: Path, image: str, how: str) -> None:
    """The picture at `benchmark`/`image`: a copy or a symbolic link. UserError when broken, or another is there."""
    open_image(source)
    target = safe_join(benchmark, image)
    if target.exists():
        if not target.samefile(source) and sha256_file(target) != sha256_file(source):
            raise UserError(f"{target} is another picture than {source}; choose another --out")
        return
    if how == "link":
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link that leads nowhere
        target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))
    else:
        write_bytes(target, source.read_bytes())
