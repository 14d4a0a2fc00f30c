"""What reading a large file through has found, remembered on disk: 16 GB of weights are not hashed at every start.

An entry is used only while the file's size, times and inode are those that it was found with, and only where its own
check sum holds; whatever is in doubt is found anew. Losing the file costs time and nothing else.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from data_builders.shared.files import atomic_write, sha256_file
from fgtrain.errors import UserError

WORTH_IT = 16 << 20  # bytes; a smaller file is read through in no time
SETTLED_NS = 2_000_000_000  # a file that has just changed may change again within one tick of its file system's clock
_SEEN: dict[tuple, Any] = {}  # of this process: (what, path, state) -> what was found


def file_sha256(path: Path, memo: Path | None) -> str:
    """The SHA-256 of a file's bytes, from `memo` (a JSON file that is written when it can be) where it is known."""
    return remembered("sha256", path, sha256_file, memo)


def remembered(what: str, path: Path, find: Callable[[Path], Any], memo: Path | None) -> Any:
    """`find(path)`, found once for each state of the file. `what`: names the finding; its value must fit JSON."""
    path = path.resolve()
    state, started = _state(path), time.time_ns()
    if (what, path, state) in _SEEN:
        return _SEEN[what, path, state]
    kept = memo if memo is not None and state[0] >= WORTH_IT else None
    key = f"{what} {path}"
    entry = _read(kept).get(key) if kept is not None else None
    if _holds(entry, key, state):
        return _SEEN.setdefault((what, path, state), entry["found"])
    found = find(path)
    if _state(path) == state and started - max(state[1], state[2]) > SETTLED_NS:
        _SEEN[what, path, state] = found
        if kept is not None:
            entry = {"state": list(state), "found": found}
            with suppress(OSError, UserError):  # a folder that cannot be written, a full disk
                _write(kept, key, entry | {"check": _check(key, entry)})
    return found


def _state(path: Path) -> tuple[int, int, int, int]:
    stat = path.stat()  # the time of change as well: it cannot be set back, as the time of writing can
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _holds(entry: Any, key: str, state: tuple[int, ...]) -> bool:
    return isinstance(entry, dict) and entry.get("state") == list(state) and entry.get("check") == _check(key, entry)


def _check(key: str, entry: dict) -> str:
    text = json.dumps([key, entry.get("state"), entry.get("found")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(memo: Path) -> dict:
    try:
        values = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(memo: Path, key: str, entry: dict) -> None:
    """With what others have written meanwhile; an entry that is lost between two writers is found again."""
    with atomic_write(memo) as file:
        json.dump(_read(memo) | {key: entry}, file, indent=1)
