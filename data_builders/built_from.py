"""What a build has read and written, in .built.json beside its manifest: a finished set counts while both are as they
were.

Known again are: lists, taxonomies and texts by their content; pictures by name, size and time, a folder at a time;
what was written by its content; a user's own reader by its code. A file whose size, times and place on the disk are
those of the record is not read.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path
from typing import Any

from .options import Options
from .shared.code_identity import explain_change
from .shared.errors import UserError
from .shared.files import read_json, sha256_file, write_json
from .shared.picture_formats import PICTURE_SUFFIXES
from .shared.progress import progress
from .sources import own_code
from .touched_files import Touched

RECORD = ".built.json"
SHOWN = 3  # changes that one line tells
_looks: ContextVar[dict[str, str] | None] = ContextVar("looks", default=None)


def write_record(folder: Path, touched: Touched, root: Path | None, options: Options) -> None:
    """What was touched, into the finished set's folder."""
    lists = {path for path in touched.lists if os.path.isfile(path) and not _inside(path, folder)}
    folders = {path for path in touched.folders if os.path.isdir(path) and not _inside(path, folder)}
    if root is not None and getattr(options, "source", None):
        # A list that is not there yet would be read, too.
        folders |= set(_tops(root, options.source)) | {os.path.dirname(path) for path in lists}
        beside = os.path.join(os.path.dirname(os.path.abspath(root)), "attributes.txt")  # where CUB's archive has it
        lists |= {beside} if os.path.isfile(beside) else set()
    states = _states(sorted(folders), folder)
    values = {
        "root": os.path.relpath(root, folder) if root is not None else None,
        "lists": {os.path.relpath(path, folder): _file_state(path) for path in sorted(lists)},
        "folders": {os.path.relpath(path, folder): states[path] for path in sorted(folders)},
        "wrote": {os.path.relpath(p, folder): _file_state(p) for p in sorted(touched.wrote) if os.path.isfile(p)},
    }
    if readers := own_code(getattr(options, "source", None) or ()):
        values["readers"] = readers
    write_json(folder / RECORD, values)


@contextmanager
def looked_at_once() -> Iterator[None]:
    """Inside, what `changed_since` has found of a set holds: many runs of one study share theirs."""
    token = _looks.set(_looks.get() or {})
    try:
        yield
    finally:
        _looks.reset(token)


def changed_since(folder: Path, root: Path | None = None) -> str:
    """Why a finished set is not what its source, or its builder, would give now; "" where it is.

    A source that is not there any more is no change: what was built from it stays of use. `root`: where it lies, if
    known; default where it lay.
    """
    looks = _looks.get()
    if looks is None:
        return _look(folder, root)
    key = os.path.abspath(folder)
    if key not in looks:
        looks[key] = _look(folder, root)
    return looks[key]


def _look(folder: Path, root: Path | None) -> str:
    manifest = read_json(folder / "manifest.json")
    parts = manifest.get("parts") if isinstance(manifest, dict) else None
    if isinstance(parts, list):
        return next(filter(None, (changed_since(folder / str(part)) for part in parts)), "")
    if not (folder / RECORD).is_file() and (root is None or not root.exists()):
        return ""
    try:
        return _changed(folder, read_json(folder / RECORD))
    except (UserError, AttributeError, KeyError, TypeError, ValueError):
        return f"no record of what it was made from ({RECORD}) was kept since"


def _changed(folder: Path, record: dict[str, Any]) -> str:
    for name, was in record["wrote"].items():
        if not _same(folder / name, was):
            return f"{os.path.normpath(folder / name)} was cut, edited or removed since"
    if record["root"] is not None and not (folder / record["root"]).exists():
        return ""
    root = os.path.normpath(folder / (record["root"] or ""))
    found = []
    for name, was in record["lists"].items():
        path = folder / name
        if not _same(path, was):
            found.append(f"{_short(path, root)} {'was edited' if path.is_file() else 'is gone'}")
    paths = {os.path.normpath(folder / name): was for name, was in record["folders"].items()}
    states = _states(list(paths), folder)
    for path, was in paths.items():
        found += _differences(_short(path, root), was, states[path])
    readers = record.get("readers", {})
    for name, now in own_code(readers).items():  # of one that is not installed any more, what it has built stays of use
        if changed := explain_change(readers[name], now):
            found.append(f"source {name}: {changed.removesuffix(' since')}")
    if not found:
        return ""
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"its source has changed ({'; '.join(found[:SHOWN])}{more}) since"


def _differences(name: str, was: dict[str, Any], now: dict[str, Any] | None) -> list[str]:
    if now is None:
        return [f"{name} is gone"]
    found = []
    for what in ("files", "folders"):
        found += [f"{name}: {one} is new" for one in sorted(set(now[what]) - set(was[what]))]
        found += [f"{name}: {one} is gone" for one in sorted(set(was[what]) - set(now[what]))]
    if now["pictures"] != was["pictures"]:
        found.append(f"{name}: {now['pictures']:,} pictures, were {was['pictures']:,}")
    elif now["names"] != was["names"]:
        found.append(f"{name}: pictures have other names")
    elif now["stamps"] != was["stamps"]:
        found.append(f"{name}: pictures were changed, the last: {now['latest']}")
    return found


def _states(paths: list[str], ours: Path) -> dict[str, dict[str, Any] | None]:
    """Of each folder. Several at once: file systems of clusters answer one question slowly, and many as slowly."""
    if not paths:
        return {}
    ours = Path(os.path.abspath(ours))
    with (
        progress("comparing with the source", "folders", len(paths), brief=True) as advance,
        ThreadPoolExecutor(8) as pool,
    ):
        found = {}
        for path, state in zip(paths, pool.map(lambda path: _folder_state(path, ours), paths), strict=True):
            found[path] = state
            advance(1)
        return found


def _folder_state(path: str, ours: Path) -> dict[str, Any] | None:
    """None where it is gone. What the set itself lies in, and sets of others, do not count."""
    try:
        with os.scandir(path) as entries:
            entries = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    files, folders, pictures, latest = [], [], 0, (-1, "")
    names, stamps = blake2b(digest_size=16), blake2b(digest_size=16)
    for entry in entries:
        if entry.is_dir():
            here = Path(os.path.abspath(entry.path))
            if here != ours and here not in ours.parents and not os.path.exists(here / "manifest.json"):
                folders.append(entry.name)
        elif entry.name.lower().endswith(PICTURE_SUFFIXES):
            try:
                stat = entry.stat()
                size, when = stat.st_size, stat.st_mtime_ns
            except OSError:  # a link to nothing
                size, when = -1, -1
            pictures += 1
            names.update(os.fsencode(entry.name) + b"\0")
            stamps.update(f"{size} {when}\n".encode())
            latest = max(latest, (when, entry.name))
        else:
            files.append(entry.name)
    return {
        "files": files,
        "folders": folders,
        "pictures": pictures,
        "names": names.hexdigest(),
        "stamps": stamps.hexdigest(),
        "latest": latest[1],
    }


def _file_state(path: str | Path) -> dict[str, Any]:
    stamp = _stamp(path)  # before the content: a change meanwhile is a change
    return {"stamp": stamp, "sha256": sha256_file(Path(path))}


def _same(path: Path, was: dict[str, Any]) -> bool:
    try:
        stamp = _stamp(path)
        # The time of change cannot be set back, as the time of writing can.
        return stamp == was["stamp"] or (stamp[0] == was["stamp"][0] and sha256_file(path) == was["sha256"])
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _stamp(path: str | Path) -> list[int]:
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _tops(root: Path, source: Any) -> list[str]:
    tops = [root / str(one) for one in source.values()] if isinstance(source, dict) else [root]
    return [os.path.abspath(top) for top in tops if top.is_dir()]


def _inside(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(os.path.abspath(folder))


def _short(path: str | Path, root: str) -> str:
    relative = os.path.relpath(path, root)
    return os.path.normpath(path) if relative.startswith("..") else relative
