"""Replies on disk, one file a request, named by what was sent to whom; whatever was paid for is never paid again."""

import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UserError
from ..files import read_json, write_json
from ..locks import locked
from ..temporary_files import open_temporary
from ..terminal import say
from .completion import By
from .served import by_of

ROOM_BYTES = 1 << 16  # on the disk, taken before a request is paid; few replies are longer


@dataclass(frozen=True)
class Kept:
    """A reply's text without thoughts. `finished`: the model ended it itself; `unsaid`: nobody has said so. `thoughts`:
    characters left out.
    """

    text: str
    finished: bool
    thoughts: int = 0
    by: By = ("", "")
    unsaid: bool = False


def request_key(request: dict) -> str:
    """The request's name: a hash of all that is sent, and to whom."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class NoCache:
    """Keeps nothing: for an endpoint that costs nothing, whose answers are kept by who asks."""

    def get(self, key: str) -> None:
        return None

    def alone(self, key: str) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def room(self, key: str) -> Iterator["NoCache"]:
        yield self

    def keep(self, request: dict, kept: Kept, tokens: int) -> None:
        return

    def remembered(self, whom: dict) -> None:
        return None

    def remember(self, whom: dict, says: dict) -> None:
        return


class Cache:
    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        return self.folder / "requests" / key[:2] / f"{key}.json"

    def get(self, key: str) -> Kept | None:
        """The reply; None when it was never given, or its file is damaged."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            kept = read_json(path)
            reply = Kept(str(kept["text"]), bool(kept["finished"]), int(kept["thoughts"]), by_of(kept["by"]))
            return replace(reply, unsaid=True) if kept.get("unsaid") else reply
        except (UserError, KeyError, TypeError, ValueError):
            say(f"{path} holds no reply any more; the request is sent again", file=sys.stderr)
            return None

    def alone(self, key: str) -> AbstractContextManager[None]:
        """While this request is paid: who wants it too, in any process, waits, and finds the answer."""
        # A few thousand locks stand for all requests: a lock file each would double the files.
        return locked(self.folder / "requests" / key[:2] / f".{key[2]}.lock")

    @contextmanager
    def room(self, key: str) -> Iterator["Room"]:
        """Room on the disk for a reply that is about to be paid. UserError, before it is paid, when there is none."""
        path = self.path(key)
        try:
            handle, temporary = open_temporary(path)
            try:
                take_room(handle)
                yield Room(handle, temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(
                    f"no space left while writing {path}; nothing further is asked, and what was answered is kept. "
                    "Make room, and the same command goes on from there"
                ) from error
            raise

    def served_path(self, whom: dict) -> Path:
        return self.folder / "served" / f"{request_key(whom)[:32]}.json"

    def remembered(self, whom: dict) -> dict | None:
        """What this endpoint said of this model when it was last asked."""
        try:
            says = read_json(self.served_path(whom))["says"]
        except (UserError, KeyError, TypeError):
            return None
        return says if isinstance(says, dict) else None

    def remember(self, whom: dict, says: dict) -> None:
        if (self.remembered(whom) or {}) != says:
            write_json(self.served_path(whom), {**whom, "says": says})


def take_room(handle: int) -> None:
    try:
        os.posix_fallocate(handle, 0, ROOM_BYTES)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # a file system that cannot tell
            raise


@dataclass
class Room:
    handle: int
    temporary: Path
    path: Path

    def keep(self, request: dict, kept: Kept, tokens: int) -> None:
        """Write the reply, whole or not at all."""
        told = {"text": kept.text, "finished": kept.finished, "thoughts": kept.thoughts, "by": kept.by}
        told |= {"unsaid": True} if kept.unsaid else {}
        # As ASCII: a reply may hold half a surrogate pair, which no UTF-8 file can.
        content = json.dumps({"request": request, **told, "tokens": tokens}, indent=2).encode() + b"\n"
        os.lseek(self.handle, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self.handle), "wb") as file:
            file.write(content)
            file.truncate(len(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.temporary, self.path)
