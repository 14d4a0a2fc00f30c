"""Files that end in a seal, their length and checksum: one that was cut off or altered is known before it is used.

What reads them by their own format does not look behind its end, where the seal lies.
"""

import struct
from pathlib import Path

from xxhash import xxh3_64, xxh3_64_intdigest

from .progress import file_title, progress

SEAL = struct.Struct("<8sQQ")  # mark, bytes before the seal, their XXH3
MARK = b"fgsealed"
BLOCK = 1 << 22


def sealed(data: bytes) -> bytes:
    """The bytes with their seal behind them."""
    return data + SEAL.pack(MARK, len(data), xxh3_64_intdigest(data))


def unsealed(data: bytes) -> bytes | None:
    """What was sealed; None when it is not whole."""
    content = data[: -SEAL.size]
    return content if sealed(content) == data else None


def seal(path: Path) -> None:
    """Put the seal behind what is in the file."""
    length, check = _checked(path, None)
    with open(path, "ab") as file:
        file.write(SEAL.pack(MARK, length, check))


def is_whole(path: Path) -> bool:
    """Is the file just as it was sealed? Reads all of it (some 10 GB/s, or what the disk gives)."""
    length = path.stat().st_size - SEAL.size
    if length < 0:
        return False
    with open(path, "rb") as file:
        file.seek(length)
        mark, said, check = SEAL.unpack(file.read(SEAL.size))
    return mark == MARK and said == length and _checked(path, length) == (length, check)


def _checked(path: Path, length: int | None) -> tuple[int, int]:
    """(bytes, XXH3) of the file's first `length` bytes, or of all."""
    total = path.stat().st_size if length is None else length
    done, digest = 0, xxh3_64()
    with open(path, "rb") as file, progress(f"checking {file_title(path)}", "bytes", total, brief=True) as advance:
        while done < total and (block := file.read(min(BLOCK, total - done))):
            digest.update(block)
            done += len(block)
            advance(len(block))
    return done, digest.intdigest()
