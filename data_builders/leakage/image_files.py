"""Image files and what is found out about them when it is asked for: size, digests, what they look like."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..shared.files import sha256_file
from ..shared.progress import progress
from .cache import Facts, short_digest
from .decoding import looks
from .image_integrity import fault_of
from .picture_hashes import LOOK

TAIL = 4096  # bytes
AT_ONCE = 128  # files a thread takes
THREADS = 4  # they wait for the disk


class Files:
    """Many files by absolute path. `faults` fills with those that cannot be used: index -> why.

    Use it as a context: what was found out is kept for the next time, also when it is interrupted.
    """

    def __init__(self, paths: Iterable[str]):
        self.paths = list(paths)
        self.stamps = np.full((len(self.paths), 2), -1, np.int64)
        self.missing: list[int] = []
        self.faults: dict[int, str] = {}
        self._facts: dict[str, Facts] = {}
        with progress("looking for the images", "images", len(self.paths), brief=True) as advance:
            for chunk, found in in_threads(self._stamp, np.arange(len(self.paths))):
                self.stamps[chunk] = found
                advance(len(chunk))
        for index in np.flatnonzero(self.stamps[:, 0] < 0):
            self.missing.append(int(index))
        for index in np.flatnonzero(self.stamps[:, 0] == 0):
            self.faults[int(index)] = f"image {self.paths[index]} is empty (0 bytes)"

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *_: object) -> None:
        for facts in self._facts.values():
            facts.save()

    @property
    def sizes(self) -> np.ndarray:
        """Bytes of each file."""
        return self.stamps[:, 0]

    def tails(self, indices: np.ndarray) -> np.ndarray:
        """A digest of the last 4 KiB of each: pictures with equal heads are common, with equal tails are not."""
        return self._digests("tail", "V16", self._tail, indices)

    def sha256(self, indices: np.ndarray) -> np.ndarray:
        """The digest of each file's content, 32 raw bytes an element."""
        return self._digests("sha256", "V32", lambda path: bytes.fromhex(sha256_file(path)), indices)

    def looks(self, indices: np.ndarray) -> np.ndarray:
        """A LOOK of each; zeros for those that cannot be read, which `faults` then has."""
        facts = self._kind("look", LOOK)
        unknown = [int(index) for index in indices if not facts.known[index] and index not in self.faults]
        if unknown:
            with progress("perceptual hashes", "images", len(unknown)) as advance:
                for place, found, faults in looks([self.paths[index] for index in unknown]):
                    chunk = np.array([unknown[place + i] for i in range(len(found)) if i not in faults], int)
                    facts.put(chunk, np.array([found[i] for i in range(len(found)) if i not in faults], LOOK))
                    self.faults |= {unknown[place + i]: reason for i, reason in faults.items()}
                    advance(len(found))
        return facts.values[indices]

    def look_for_broken(self, indices: np.ndarray) -> None:
        """Fill `faults` with those of the files that are not whole."""
        facts = self._kind("whole", "u1")
        unknown = indices[~facts.known[indices]]
        if not len(unknown):
            return
        with progress("looking for broken images", "images", len(unknown), brief=True) as advance:
            for chunk, found in in_threads(lambda chunk: [fault_of(self.paths[index]) for index in chunk], unknown):
                good = [fault is None for fault in found]
                facts.put(chunk[good], np.ones(sum(good), np.uint8))
                self.faults |= {int(index): fault for index, fault in zip(chunk, found, strict=True) if fault}
                advance(len(chunk))

    def _digests(self, kind: str, value: str, digest: Callable[[str], bytes], indices: np.ndarray) -> np.ndarray:
        facts = self._kind(kind, value)
        unknown = indices[~facts.known[indices]]
        if len(unknown):

            def chunk_digests(chunk: np.ndarray) -> np.ndarray:
                return np.array([digest(self.paths[index]) for index in chunk], value)

            with progress(f"comparing bytes ({kind})", "images", len(unknown), brief=True) as advance:
                for chunk, found in in_threads(chunk_digests, unknown):
                    facts.put(chunk, found)
                    advance(len(chunk))
        return facts.values[indices]

    def _kind(self, kind: str, value: np.dtype | str) -> Facts:
        if kind not in self._facts:
            self._facts[kind] = Facts(kind, value, self.paths, self.stamps)
        return self._facts[kind]

    def _stamp(self, chunk: np.ndarray) -> list[tuple[int, int]]:
        found = []
        for index in chunk:
            try:
                there = os.stat(self.paths[index])
                found.append((there.st_size, there.st_mtime_ns) if stat.S_ISREG(there.st_mode) else (-1, -1))
            except (OSError, ValueError):
                found.append((-1, -1))
        return found

    @staticmethod
    def _tail(path: str) -> bytes:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL))
            return short_digest(file.read())


def in_threads(function: Callable, indices: np.ndarray) -> Iterator[tuple[np.ndarray, object]]:
    """`function` of each chunk of the indices, several at a time, as (chunk, result)."""
    chunks = [indices[start : start + AT_ONCE] for start in range(0, len(indices), AT_ONCE)]
    if len(chunks) < 2:
        yield from ((chunk, function(chunk)) for chunk in chunks)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            yield from zip(chunks, pool.map(function, chunks), strict=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
