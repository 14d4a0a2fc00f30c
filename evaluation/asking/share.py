"""Several processes that ask one run: each its own images, each into files of its own, put together by the first."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError

from ..launcher import launched
from ..tasks.task import Task
from .asked import Asked
from .batches import grouped

PARTS = "parts"
PATIENCE_SECONDS = 1800.0  # that the first process waits for others of which nothing new comes
LOOK_SECONDS = 0.5
AGAIN_SECONDS = 60.0  # without anything new, after which files are read from their beginning


@dataclass(frozen=True)
class Share:
    """This process's part of the work; the first one (rank 0) also puts all together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Share":
        """As a launcher's variables say; alone without one. UserError where they contradict each other."""
        here = launched(environment)
        return cls(here.rank, here.size)

    @property
    def first(self) -> bool:
        """Does this process put all together?"""
        return self.rank == 0

    def folder(self, out: Path) -> Path:
        """Where this process writes its rows."""
        return out if self.first else out / PARTS / f"rank{self.rank:04d}"

    def of(self, wanted: Sequence[Asked]) -> list[Asked]:
        """This process's items: whole images, dealt out by length. It depends on nothing that is answered already."""
        return [one for group in grouped(wanted)[self.rank :: self.size] for one in group]


def part_folders(out: Path) -> list[Path]:
    return sorted(path for path in (out / PARTS).glob("rank*") if path.is_dir())


def drop(folders: Sequence[Path], out: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if (out / PARTS).is_dir() and not any((out / PARTS).iterdir()):
        (out / PARTS).rmdir()


class Growing:
    """A file that another process appends to; `new_rows` gives each whole row once."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset = path, 0

    def new_rows(self) -> list[dict]:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self.offset:  # rewritten without what was stale
            self.offset = 0
        if size == self.offset:
            return []
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.offset += len(whole)
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            self.offset = 0  # it was being rewritten
            return []


def await_others(out: Path, tasks: list[Task], missing: set, take) -> None:
    """Until `missing` (keys) is empty: hand every new row of the others to `take(task, row)`, which shrinks it.

    UserError when nothing new has come for long.
    """
    files: dict[Path, tuple[Task, Growing]] = {}
    last = again = time.monotonic()
    while missing:
        if time.monotonic() - max(last, again) > AGAIN_SECONDS:
            files.clear()  # a file may have been rewritten and have grown beyond its old size between two looks
            again = time.monotonic()
        for folder in part_folders(out):
            for task in tasks:
                path = folder / task.file_name
                files.setdefault(path, (task, Growing(path)))
        before = len(missing)
        for task, file in files.values():
            for row in file.new_rows():
                take(task, row)
        if len(missing) < before:
            last = time.monotonic()
        elif time.monotonic() - last > PATIENCE_SECONDS:
            raise UserError(
                f"{out}: {len(missing)} questions of other processes have no answer, and nothing new has come for "
                f"{PATIENCE_SECONDS / 60:.0f} minutes. All answers are kept: start again, and only these are asked"
            )
        if missing:
            time.sleep(LOOK_SECONDS)
