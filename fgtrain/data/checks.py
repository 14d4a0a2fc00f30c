"""Looks at every row before training: that it can be encoded, that there is something to learn, that images are there.

Images are not decoded here (hundreds of thousands would take hours); one that cannot be read is found when it is
loaded. Where a picture's size decides its tokens, its header is read.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from data_builders.shared.code_identity import code_of
from data_builders.shared.files import atomic_write
from data_builders.shared.locks import locked
from data_builders.shared.sealed import sealed, unsealed
from data_builders.shared.terminal import say
from fgtrain.counts import Counts
from fgtrain.errors import UserError

from .image_places import ImagePlaces
from .in_parts import in_parts
from .maker import SampleMaker
from .quarantine import Quarantine
from .rows import Rows

COLUMNS = len(fields(Counts)) + 1


@dataclass(frozen=True)
class CutRows:
    """Rows of a data set whose last answer model.max_tokens cuts off: it teaches never to stop."""

    rows: int  # that are cut
    of: int  # all rows
    longest: int  # tokens of the longest one, uncut

    def __str__(self) -> str:
        return f"{self.rows:,} of {self.of:,} rows, the longest of {self.longest:,} tokens"


def cut_rows(counts: np.ndarray) -> CutRows:
    """Of what `check_rows` gives."""
    cut = counts[:, -1] > 0
    return CutRows(int(cut.sum()), len(counts), int((counts[:, 0] + counts[:, -1]).max(initial=0)))


def check_rows(
    data_set: str,
    maker: SampleMaker,
    cache: Path,
    quarantine: Quarantine,
    places: ImagePlaces,
    advance: Callable[[int], None],
) -> np.ndarray:
    """Each row's `Counts` in their order, then how many of its tokens are cut off, as int64 [rows, 5]; 0 for a row that
    went to quarantine.

    What was found is kept in `cache` for the same rows, tokenizer and settings, unless rows are bad: they may be mended
    before the next start. UserError when there are more bad rows than the quarantine's quota.
    """
    known_by = f"{rows_identity(data_set, maker)}{places.folders}"
    path = cache / "lengths" / f"{hashlib.sha256(known_by.encode()).hexdigest()[:32]}.npy"
    if (known := _kept(path, maker.rows[data_set])) is not None:
        advance(len(known))
        return known
    with locked(path.with_suffix(".lock"), waiting=f"{data_set} is being checked by another start; waiting"):
        if (known := _kept(path, maker.rows[data_set], aloud=True)) is not None:
            advance(len(known))
            return known
        counts = _look_at(data_set, maker, quarantine, places, advance)
        if counts[:, 0].all():
            stream = BytesIO()
            np.save(stream, counts)
            with atomic_write(path, "wb") as file:
                file.write(sealed(stream.getvalue()))
        return counts


def _kept(path: Path, rows: Rows, aloud: bool = False) -> np.ndarray | None:
    if not path.is_file():
        return None
    content = unsealed(path.read_bytes())
    if content is None:
        if aloud:
            say(f"{path} is not what was written (cut off or altered); made anew", file=sys.stderr)
        return None
    counts = np.load(BytesIO(content), allow_pickle=False)
    return counts if counts.shape == (len(rows), COLUMNS) else None


def _look_at(
    data_set: str, maker: SampleMaker, quarantine: Quarantine, places: ImagePlaces, advance: Callable[[int], None]
) -> np.ndarray:
    rows = len(maker.rows[data_set])
    counts = np.zeros((rows, COLUMNS), np.int64)
    for part in in_parts(RowsInPart(data_set, maker, places), rows):
        for index, reason, only_in in part.faults:
            quarantine.add(data_set, maker.row_id(data_set, index), reason, only_in)
        counts[part.start : part.start + len(part.counts)] = part.counts
        advance(len(part.counts))
    return counts


@dataclass(frozen=True)
class Part:
    """What was found in rows `start` and following."""

    start: int
    counts: np.ndarray  # int64 [rows, COLUMNS], 0 for a bad row
    faults: list[tuple[int, str, int | None]]  # row, what is wrong, the only pass in which


@dataclass(frozen=True)
class RowsInPart:
    """Looks at some rows of a data set."""

    data_set: str
    maker: SampleMaker
    places: ImagePlaces

    def __call__(self, start: int, stop: int) -> Part:
        part = Part(start, np.zeros((stop - start, COLUMNS), np.int64), [])
        there: set[Path] = set()
        for index in range(start, stop):
            encoded = False
            try:
                sample = self.maker.sample(self.data_set, 0, index)
                encoded = True
                for file in (file for ref in sample.images for file in ref.files if file not in there):
                    self.places.check(file)
                    there.add(file)
                own = sample.counts
                part.counts[index - start] = (own.tokens, own.image_tokens, own.labels, own.pairs, sample.cut)
            except UserError as error:
                only_in = None if encoded else self.maker.only_in(self.data_set, 0, index)
                part.faults.append((index, str(error), only_in))
        return part


def tokenizer_identity(tokenizer: Any) -> str:
    """A hash of all that decides how the tokenizer encodes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if hasattr(backend, "to_str") else repr(sorted(tokenizer.get_vocab().items()))
    special = (type(tokenizer).__name__, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    return hashlib.sha256(f"{special}{text}".encode()).hexdigest()


def rows_identity(data_set: str, maker: SampleMaker) -> str:
    """A hash of the rows and of all that decides how they are encoded."""
    rows = maker.rows[data_set]
    settings = (
        code_of(__name__).hash,
        maker.chat,
        sorted(maker.spec.to_dict().items()),
        maker.max_tokens,
        maker.paired,
        rows.manifest.content,
        str(rows.image_root),
    )
    return hashlib.sha256(f"{settings}{tokenizer_identity(maker.tokenizer)}".encode()).hexdigest()[:32]
