"""What a page of docs/ tells its reader to write and to type, and how a test does so."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^# (\S+\.\w+)\n")  # the first line of a file's block


@dataclass(frozen=True)
class Block:
    """A fenced block. `sh`: commands, one a line; another language whose first line names a file: that file."""

    language: str
    mark: str | None  # the second word behind the fence: when the commands are typed, or how they end
    text: str

    @property
    def file(self) -> str | None:
        named = NAMED.match(self.text)
        return named[1] if named and self.language != "sh" else None

    @property
    def commands(self) -> list[str]:
        return self.text.splitlines() if self.language == "sh" else []


def blocks_of(page: str) -> list[Block]:
    """The page's fenced blocks in order, without Sphinx's own directives; `page` is relative to docs/."""
    return [Block(*found) for found in FENCE.findall((DOCS / page).read_text(encoding="utf-8"))]


def changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def typed(command: str, here: Path) -> int:
    """Exit status of a command in a process of its own, in the folder."""
    words = shlex.split(command)
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", "fgtrain"]
    assert words[0] in ("python", "fgtrain"), command
    return subprocess.run([*program, *words[1:]], cwd=here, check=False).returncode


def typed_here(command: str) -> tuple[int, str]:
    """(exit status, what was printed) of a command in this process, whose folder is the reader's."""
    words = shlex.split(command)
    package, words = (words[2], words[3:]) if words[:2] == ["python", "-m"] else (words[0], words[1:])
    main = import_module(f"{package}.__main__").main
    text = StringIO()
    with redirect_stdout(text):
        status = import_module("data_builders.shared.errors").run_command(lambda: main(words))
    return status or 0, text.getvalue()


def write_files(page: str, here: Path, changes: Mapping[str, str] | None = None) -> None:
    """Write the files that the page names, with the changes that make them small."""
    for block in blocks_of(page):
        if block.file is not None:
            (here / block.file).parent.mkdir(parents=True, exist_ok=True)
            (here / block.file).write_text(changed(block.text, changes or {}), encoding="utf-8")


def follow(page: str, here: Path, changes: Mapping[str, str], without: Sequence[str] = ()) -> list[str]:
    """Write and type all that the page says, in order; returns the commands. Blocks marked as in `without` are left
    out; those marked `refused` must end with exit status 2, all others with 0."""
    write_files(page, here, changes)
    done = []
    for block in blocks_of(page):
        for command in block.commands if block.mark not in without else ():
            status = typed(changed(command, changes), here)
            assert status == (2 if block.mark == "refused" else 0), command
            done.append(command)
    return done
