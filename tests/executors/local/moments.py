"""Stops, faults and counts at exact moments of a run: code that every process of a start loads when it begins."""

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from run_fakes import REPOSITORY

HOOK = r'''
import functools, importlib.util, json, os, signal, sys, time

told = json.loads(os.environ["FGTRAIN_TEST_MOMENT"])
moment, counts, forbidden = told["moment"], told["counts"], told["forbidden"]
reached = [0]


def starter():
    """The process that the user started."""
    pid = os.getpid()
    while True:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"\0fgtrain\0" in file.read():
                return pid
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])


def wait_for(number, heed):
    """Until the signal is here; it does what it would have done, if `heed`."""
    got, before = [], signal.getsignal(number)

    def note(*arguments):
        got.append(1)
        if heed:
            before(*arguments)

    signal.signal(number, note)
    try:
        while not got:
            time.sleep(0.01)
    finally:
        signal.signal(number, before)


def happen():
    reached[0] += 1
    job = os.path.basename(os.environ.get("FGTRAIN_JOB", ""))
    if not job.startswith(moment["job"]) or int(os.environ.get("RANK", "0")) != moment["rank"]:
        return
    if reached[0] < moment["call"]:
        return
    try:
        os.close(os.open(moment["once"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    what, _, whom = moment["what"].partition(" ")
    if what == "raise":
        raise RuntimeError("broken on purpose")
    number = getattr(signal, what)
    if whom == "job":
        os.kill(os.getpid(), number)
    os.kill(starter(), number)
    if whom == "starter twice":
        wait_for(number, heed=False)  # it has heeded the first one
        os.kill(starter(), number)
        while True:
            time.sleep(1)
    wait_for(signal.SIGTERM if number == signal.SIGKILL else number, heed=True)


def wrapped(module, path, before=None, after=None):
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, module)
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def call(*arguments, **more):
        if before is not None:
            before()
        found = plain(*arguments, **more)
        if after is not None:
            after(arguments)
        return found

    setattr(owner, name, call)


def count(file, number):
    handle = os.open(os.path.join(counts, file), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, b"%d\n" % number)
    os.close(handle)


def steps(module):
    wrapped(module, "StageModule.training_step", after=lambda _: count("micro-batches", 1))


def questions(module):
    asked = lambda arguments: count("questions", sum(len(group.questions) for group in arguments[1]))
    wrapped(module, "ModelAnswerer.answer", after=asked)


hooks = {}
if counts is not None:
    hooks = {"fgtrain.training.module": [steps], "fgtrain.training.answerer": [questions]}
if moment is not None:
    mine = lambda module: wrapped(module, moment["function"], before=happen)
    hooks.setdefault(moment["module"], []).append(mine)


class Finder:
    def find_spec(self, name, path, target=None):
        if name in forbidden:
            raise AssertionError(f"{name} is imported")
        chosen = hooks.pop(name, None)
        if chosen is None:
            return None
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for hook in chosen:
                hook(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
if told["no_locks"]:
    import errno, fcntl

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock
'''


@dataclass(frozen=True)
class Moment:
    """`what` happens when process `rank` of a job calls a function for the n-th time.

    "SIGNAL job": the process gets the signal; "SIGNAL starter": the process that the user started gets it, and this
    one goes on when it was asked to stop; "SIGNAL starter twice"; "raise".
    """

    job: str  # how its folder's name begins
    module: str
    function: str
    call: int
    what: str
    rank: int = 0


def hooked(
    folder: Path,
    moment: Moment | None = None,
    *,
    counts: Path | None = None,
    forbidden: tuple[str, ...] = (),
    locks: bool = True,
    code: Path = REPOSITORY,
) -> dict[str, str]:
    """Variables for a start. `folder`: of this start alone. `counts`: a folder where micro-batches and questions are
    counted. `forbidden`: modules that nobody may import. `locks`: False where no file can be locked."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(HOOK)
    values = {"moment": None, "counts": None, "forbidden": forbidden, "no_locks": not locks}
    if moment is not None:
        values["moment"] = asdict(moment) | {"once": str(folder / "happened")}
    if counts is not None:
        counts.mkdir(exist_ok=True)
        values["counts"] = str(counts)
    return {"FGTRAIN_TEST_MOMENT": json.dumps(values), "PYTHONPATH": f"{folder}:{code}"}


def counted(counts: Path) -> dict[str, int]:
    """What was counted -> how often, over all processes and starts."""
    return {file.name: sum(map(int, file.read_text().split())) for file in counts.iterdir()}


def expected_status(what: str) -> int:
    """Of a start at whose moment this happens."""
    name, _, whom = what.partition(" ")
    if name == "raise" or whom == "job":
        return 1
    return -signal.SIGKILL if name == "SIGKILL" else 130


__all__ = ["Moment", "counted", "expected_status", "hooked"]
