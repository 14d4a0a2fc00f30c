"""Reading and writing files so that nothing is half-written and nothing leaves its root."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from .errors import LIMITS, UserError, limit_of
from .progress import file_title, progress
from .temporary_files import open_temporary, open_to_others
from .text_files import open_text

LARGE = 256 << 20  # bytes; reading so many may take a minute
HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair of escapes, or alone


def check_inside(relative: str, root: Path) -> None:
    """UserError when the path is absolute or leaves `root`."""
    if not isinstance(relative, str):
        raise TypeError(f"a path must be text, not {relative!r}")
    # Called for every image of sets of millions, so without building paths.
    if relative.startswith("/") or "\\" in relative or "\x00" in relative or ".." in relative.split("/"):
        raise UserError(f"image path {relative!r} must be relative and stay inside {root}")


def safe_join(root: Path, relative: str) -> Path:
    """`root / relative`, refusing absolute paths and paths that leave the root (UserError)."""
    check_inside(relative, root)
    return root / relative


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success flush, fsync and rename it. On failure `path` is untouched.

    Raises UserError when the disk is full, naming the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = open_temporary(path)
    try:
        with os.fdopen(handle, mode, **({} if "b" in mode else {"encoding": "utf-8", "newline": "\n"})) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)  # while it is locked: later it may be another writer's
                raise
    except OSError as error:
        refuse_limit(error, path)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """As `atomic_write`, for a library that writes a file by its name: the name of a temporary file beside `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = open_temporary(path)
    try:
        try:
            yield temporary
            with open(temporary, "rb") as written:
                # A library may have put a file of its own there, and that for its owner's eyes alone.
                os.fchmod(written.fileno(), os.fstat(handle).st_mode & 0o777)
                os.fsync(written.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        refuse_limit(error, path)
        raise
    finally:
        os.close(handle)


def refuse_limit(error: Exception, path: Path, kept: str = "what was there before is unchanged") -> None:
    """UserError where a limit of the machine does not let the file be written. `kept`: what is lost by that."""
    limit = limit_of(error)
    if limit in (errno.ENOSPC, errno.EDQUOT):
        raise UserError(f"no space left while writing {path}; {kept}. Make room; the same command goes on") from error
    if limit is not None:
        raise UserError(f"while writing {path}: {LIMITS[limit]}; {kept}. The same command goes on") from error


@contextmanager
def whole_folder(path: Path, kept: str = "nothing was written") -> Iterator[Path]:
    """A folder beside `path` to write into, which becomes `path` in the end (also onto an empty folder), as readable
    as the umask says; where anything fails, nothing of it is left. UserError at a limit of the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        open_to_others(temporary)
        temporary.rename(path)
    except OSError as error:
        refuse_limit(error, path, kept)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write one of very many files: whole or not at all, but without waiting for the disk as `atomic_write` does.

    Raises UserError when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of its own, though one build writes a file: what a killed build started may go on drawing beside the next.
    handle, temporary = open_temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            try:
                file.write(data)
                file.flush()
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        refuse_limit(error, path)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write the value as indented JSON in UTF-8; the file is whole or absent."""
    with atomic_write(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_jsonl(path: Path, rows: Iterable[dict]) -> int:
    """Write one JSON object a line; return the number of rows."""
    count = 0
    with atomic_write(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_json(path: Path) -> Any:
    """What the file holds, in UTF-8 or UTF-16. UserError with its path where it is no JSON or nested too deeply."""
    with open_text(path) as file:
        text = file.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply") from None


def read_jsonl(path: Path, *, whole_characters: bool = False) -> Iterator[dict]:
    """Rows of a JSON-lines file. Splits on newline only: rows may hold U+2028. UserError names file and line.

    `whole_characters`: half of a surrogate pair is refused. A model's answer may hold one, what it is taught or asked
    may not.
    """
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path}, line {number}: not JSON ({error.msg})") from None
            except RecursionError:
                raise UserError(f"{path}, line {number}: nested too deeply") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: a row must be a JSON object, not {type(row).__name__}")
            if whole_characters and HALF_PAIR.search(line) and not can_be_written(row):
                raise UserError(f"{path}, line {number}: its text holds half a surrogate pair, which is no character")
            yield row


def can_be_written(value: Any) -> bool:
    """Is all its text text? Escapes of JSON may stand for halves of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def user_cache() -> Path:
    """Where this user's replies and facts of pictures are kept for all projects: $XDG_CACHE_HOME/fgtrain, or
    ~/.cache/fgtrain. UserError where there is no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fgtrain"
    except RuntimeError:
        raise UserError("there is no home folder for what is kept. Name one: export XDG_CACHE_HOME=DIR") from None


def sha256_file(path: Path) -> str:
    """64 hexadecimal digits of the file's content, with a progress bar where it is large."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        told = (
            progress(f"checking {file_title(Path(path))}", "MB", size >> 20, brief=True)
            if size >= LARGE
            else nullcontext()
        )
        with told as advance:
            while block := file.read(1 << 20):
                digest.update(block)
                if advance is not None:
                    advance(1)
    return digest.hexdigest()
