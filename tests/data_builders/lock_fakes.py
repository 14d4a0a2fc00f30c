"""A file system whose flock fails, as that of a Lustre mount without it does; processes at a lock."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODES = ("flock", "files")  # the file system's own locks, and files of ours
WITHOUT_FLOCK = """
import errno, fcntl, os
def flock(*_):
    raise OSError(errno.{name}, os.strerror(errno.{name}))
fcntl.flock = flock
"""


def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def without_flock(monkeypatch) -> None:
    """In this process, and in those that it forks."""
    monkeypatch.setattr(fcntl, "flock", refuse)


def environment(mode: str, folder: Path, name: str = "ENOLCK") -> dict[str, str]:
    """For processes of their own: with mode "files", their flock fails."""
    places = [str(REPOSITORY)]
    if mode == "files":
        place = folder / f"without_flock_{name}"
        place.mkdir(exist_ok=True)
        if not (place / "sitecustomize.py").exists():  # a process that is being started may read it just now
            (place / "sitecustomize.py").write_text(WITHOUT_FLOCK.format(name=name))
        places.insert(0, str(place))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def start(code: str, *arguments: object, mode: str, folder: Path, name: str = "ENOLCK") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(mode, folder, name),
    )
