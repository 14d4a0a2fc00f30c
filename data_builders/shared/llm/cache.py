"""Answers on disk, one file a request, named by the request's content; whatever was paid for is never paid again."""

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import UserError
from ..files import read_json, write_json
from ..locks import locked


def request_key(request: dict) -> str:
    """The request's name: a hash of model, messages, settings and version, not of the endpoint's address."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        return self.folder / "requests" / key[:2] / f"{key}.json"

    def get(self, key: str) -> str | None:
        """The answer's text, None when it was never given. UserError for a damaged file."""
        path = self.path(key)
        if not path.exists():
            return None
        kept = read_json(path)
        if not isinstance(kept, dict) or not isinstance(kept.get("answer"), str):
            raise UserError(f"{path} holds no answer; delete the file and the request is asked again")
        return kept["answer"]

    def alone(self, key: str) -> AbstractContextManager[None]:
        """While this request is paid: who wants it too, in any process, waits, and finds the answer."""
        # A few thousand locks stand for all requests: a lock file each would double the files.
        return locked(self.folder / "requests" / key[:2] / f".{key[2]}.lock")

    def keep(self, key: str, request: dict, answer: str, tokens: int) -> None:
        """Write the answer, whole or not at all. UserError when the disk is full."""
        write_json(self.path(key), {"request": request, "answer": answer, "tokens": tokens})
