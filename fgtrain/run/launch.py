"""Several processes of one run: rank 0 prepares and decides, the others follow."""

import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from data_builders.shared.files import atomic_write
from fgtrain.training.ranks import rank


def launch_id() -> str:
    """Equal in all processes of one start, different in every start."""
    if "SLURM_JOB_ID" in os.environ and "SLURM_PROCID" in os.environ:
        names = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
        return "slurm-" + "-".join(os.environ.get(name, "0") for name in names)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "-".join(
            os.environ.get(n, "0") for n in ("TORCHELASTIC_RUN_ID", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")
        )
    # Lightning starts the other processes itself, later, with this environment.
    return os.environ.setdefault("FGTRAIN_LAUNCH", f"{os.getpid()}-{uuid.uuid4().hex}")


def launcher(launch: str) -> int:
    """The process that has started this one: rank 0 itself where Lightning starts the others."""
    first, _, _ = launch.partition("-")
    return int(first) if launch == os.environ.get("FGTRAIN_LAUNCH") and rank() != 0 else os.getppid()


class Word:
    """What rank 0 has found or decided, told to the other processes through small files in the run folder.

    Files and not collectives: at the start there is no process group yet, and rank 0 may take hours to build data.
    """

    def __init__(self, run_folder: Path, part: str = "") -> None:
        """`part`: of the run, where several starts are at work in one folder."""
        self.folder, self.id = run_folder / ".told" / part, launch_id()
        self.first = rank() == 0
        self.launcher = launcher(self.id)

    def tell(self, what: str, value: str = "yes") -> None:
        with atomic_write(self.folder / what) as file:
            file.write(f"{self.id}\n{value}")

    def hear(self, what: str) -> str:
        """The value, as soon as rank 0 of this very start has told it. It may take hours, so there is no limit.

        Ends this process when the one that started it has ended: where Lightning has, that is rank 0, which cannot
        tell anything any more and has said why. Other launchers end all processes together.
        """
        path = self.folder / what
        while True:
            if path.exists():
                told_by, _, value = path.read_text(encoding="utf-8").partition("\n")
                if told_by == self.id:
                    return value
            if os.getppid() != self.launcher:
                sys.exit(1)
            time.sleep(0.2)

    def share(self, what: str, find: Callable[[], str]) -> str:
        """What rank 0 finds, for all: it alone looks."""
        if not self.first:
            return self.hear(what)
        found = find()
        self.tell(what, found)
        return found
