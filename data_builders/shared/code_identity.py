"""Which program made a result: a hash over the syntax trees of what a module of ours imports of ours.

Comments, docstrings, blank lines and layout count for nothing. Import statements are followed where they stand, inside
functions too, but not under `if TYPE_CHECKING`; nothing is imported, so this needs no package but Python's own. Other
people's packages are not looked at: their versions are recorded beside the hash.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .code_imports import Closure

TOP = Path(__file__).resolve().parents[2]  # the folder that holds the packages
GIT_SECONDS = 20


@dataclass(frozen=True)
class CodeIdentity:
    """`hash`: 16 hexadecimal digits. `files`: path relative to the folder of the packages -> a short hash."""

    hash: str
    files: dict[str, str]

    def to_dict(self) -> dict:
        """As it lies in JSON files."""
        return {"hash": self.hash, "files": self.files}


@lru_cache(maxsize=64)
def code_of(*roots: str, alone: tuple[str, ...] = (), top: Path = TOP) -> CodeIdentity:
    """The identity of the modules `roots` (dotted names) and all they import of ours; of `alone` only their own text.

    It is read once a process: what runs is what was there when the process began. ValueError for a name that is no
    module under `top`.
    """
    closure = Closure(top)
    for root in roots:
        closure.add(root)
    for module in alone:
        closure.add_alone(module)
    files = closure.files()
    return CodeIdentity(_short(f"{path} {found}" for path, found in sorted(files.items())), files)


def with_plugin_code(found: CodeIdentity, files: dict[str, str]) -> CodeIdentity:
    """The identity of our code together with a user's own (`Plugins.code`)."""
    if not files:
        return found
    return CodeIdentity(
        _short([found.hash, *(f"{path} {one}" for path, one in sorted(files.items()))]), found.files | files
    )


def _short(lines: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def explain_change(before: dict[str, str], now: dict[str, str]) -> str:
    """What differs between two `CodeIdentity.files`, in words: "code of a.py and 3 more changed since"; "" if nothing.

    A file that changed is named before one that came or went.
    """
    changed = [path for path in sorted(before.keys() & now.keys()) if before[path] != now[path]]
    changed += sorted(before.keys() ^ now.keys())
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"code of {changed[0]}{more} changed since"


@lru_cache(maxsize=8)
def commit(top: Path = TOP) -> str | None:
    """The git commit of the checkout that holds the code, "-dirty" behind it when tracked files differ.

    None where the code is no checkout's, or git cannot tell.
    """
    try:
        _git(top, "ls-files", "--error-unmatch", "data_builders/__init__.py")  # not just a folder within a checkout
        found = _git(top, "rev-parse", "HEAD")
        return f"{found}-dirty" if _git(top, "status", "--porcelain", "--untracked-files=no") else found
    except (OSError, subprocess.SubprocessError):
        return None


def _git(top: Path, *arguments: str) -> str:
    # Neither hooks nor a file system monitor are started, and nothing is written into the checkout.
    quiet = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(top), *quiet, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_SECONDS,
        stdin=subprocess.DEVNULL,
        env={**outside, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return done.stdout.strip()
