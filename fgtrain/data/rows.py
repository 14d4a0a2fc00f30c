"""A training set's rows, memory-mapped: loader processes share them, and a mixture of millions needs no memory."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from data_builders.records import Manifest, check_row, images_of
from data_builders.shared.code_identity import code_of
from data_builders.shared.files import atomic_path, read_jsonl, safe_join, sha256_file
from data_builders.shared.progress import progress
from data_builders.shared.sealed import is_whole, seal
from data_builders.shared.terminal import say
from fgtrain.errors import UserError


class Rows:
    """The rows of a training set by index.

    Raises UserError when the set is not there, when rows.jsonl is not the file that the manifest vouches for, or when a
    row breaks the contract (data_builders/records.py).
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """`cache`: where the Arrow file goes; default `.arrow` in the training set's folder."""
        self.folder = Path(folder)
        if not (self.folder / "manifest.json").is_file():
            raise UserError(
                f"no manifest at {self.folder}. Build the training set: "
                f"python -m data_builders WHAT --out {self.folder}"
            )
        self.manifest = Manifest.load(self.folder)
        self.image_root = (self.folder / self.manifest.image_root).resolve()
        path = (cache or self.folder / ".arrow") / f"{self.manifest.sha256[:32]}.{code_of(__name__).hash}.arrow"
        self._verify()
        if not _kept(path):
            self._write(path)
        from datasets import Dataset  # takes a second to import

        self._lines = Dataset.from_file(str(path))
        if len(self._lines) != self.manifest.rows:
            raise UserError(f"{self.folder}: {len(self._lines)} rows, but the manifest says {self.manifest.rows}")

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> dict:
        return json.loads(self._lines[int(index)]["line"])

    def __iter__(self) -> Iterator[dict]:
        return (self[index] for index in range(len(self)))

    def _verify(self) -> None:
        path = self.folder / "rows.jsonl"
        if not path.is_file():
            raise UserError(f"no file {path}, which the manifest beside it vouches for. Build the training set again")
        if (found := sha256_file(path)) != self.manifest.sha256:
            raise UserError(
                f"{path} has sha256 {found[:12]}..., but the manifest says {self.manifest.sha256[:12]}...: the file "
                f"was changed after it was built. Build the training set again"
            )

    def _write(self, path: Path) -> None:
        """Rows are stored as JSON text: their keys differ from row to row, and Arrow's do not."""
        from datasets import Features, Value
        from datasets.arrow_writer import ArrowWriter

        with atomic_path(path) as temporary:
            with (
                ArrowWriter(path=str(temporary), features=Features({"line": Value("large_string")})) as writer,
                progress(f"reading {self.manifest.name}", "rows", self.manifest.rows) as advance,
            ):
                for row in read_jsonl(self.folder / "rows.jsonl", whole_characters=True):
                    _check(row, self.folder)
                    writer.write({"line": json.dumps(row, ensure_ascii=False)})
                    advance(1)
                writer.finalize()
            seal(temporary)


def _kept(path: Path) -> bool:
    """Is the file there, and as it was written?"""
    if not path.is_file():
        return False
    if whole := is_whole(path):
        return whole
    say(f"{path} is not what was written (cut off or altered); made anew", file=sys.stderr)
    return False


def _check(row: dict, folder: Path) -> None:
    """Raise UserError, naming the row, unless it follows the contract."""
    try:
        for image in images_of(row):
            safe_join(folder, image)
    except (UserError, TypeError) as error:
        raise UserError(f"{folder}, row {row.get('id')!r}: image: {error}") from None
    check_row(row, str(folder))
