"""python -m fgtrain.jobs FOLDER ...: one process of the job whose job.json lies in the folder; then of the next one.

What goes wrong is left in FOLDER/fault.<rank>.json for whoever has started it, and told here as well where nobody has.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from data_builders.shared.errors import told
from data_builders.shared.progress import STATE_FILE, line_of, read_progress
from data_builders.shared.terminal import say
from evaluation.launcher import launched
from fgtrain.errors import SharedUserError, TrainingFailedError, UserError
from fgtrain.processes import Group, join, leave
from fgtrain.recipe import load_recipe
from fgtrain.training.stop_signals import StageInterruptedError, Stopped, stoppable, tell_script

from . import function_of
from .spec import (
    ALIVE,
    FOLDER,
    LEASH,
    PROGRESS,
    RECIPE,
    STOPPED_NOTE,
    Fault,
    add_spent,
    fault_path,
    forget_faults,
    read_faults,
    read_spec,
    speaks_first,
    write_fault,
)

STOPPED = 130
# Kinds that go on where they were; training says its step by itself.
KEEPING = ("encode", "replay", "evaluate", "features", "judge")
FIRST_SECONDS = 20.0
GRACE_SECONDS = 120.0  # for saving, once nobody waits for this process any more


def run_job(folder: Path) -> int:
    """Do the job as one of its processes; returns the exit status: 0, 2 (the user's input), 1, 130 (stopped)."""
    os.environ[FOLDER] = str(folder)
    rank = launched().rank
    if rank == 0:
        os.environ[STATE_FILE] = str(folder / PROGRESS)
    kind = ""
    try:
        if launched().size == 1:
            forget_faults(folder)  # of an earlier start
        with stoppable():  # before the large libraries are imported, which takes its time
            spec = read_spec(folder)
            kind = spec.kind
            recipe = load_recipe(folder / RECIPE) if spec.recipe else None
            if recipe is not None and not recipe.network:
                # Read when the libraries are imported, so before that. Their bars would only tell of local files.
                os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
            if recipe is not None and recipe.devices.accelerator == "cpu":
                os.environ["DS_ACCELERATOR"] = "cpu"  # read when DeepSpeed is imported, which transformers does
            group = join(spec.processes, recipe.devices if recipe is not None else None)
            waiting = f"{spec.title}: another start is at it; waiting for it"
            with group.locked(folder / ALIVE, waiting), _time_noted(folder, group):
                function_of(spec.kind)(recipe, group, **spec.arguments)
    # No large library may be imported down here: it may have been stopped while it was imported.
    except Stopped as stop:
        said = _stage_stopped(stop) or _place(folder, str(stop), kind)
        # Where another process has failed, this one was ended because of it, and a next start would fail the same.
        if rank == 0 and not any(fault.status != STOPPED for fault in read_faults(folder)):
            tell_script(said)
        if rank > 0:
            _wait_for_the_first(folder)
        return _failed(folder, Fault(rank, STOPPED, said, at=time.time()))
    except SharedUserError as error:
        return _failed(folder, Fault(rank, 2, str(error), shared=True, at=time.time()))
    except UserError as error:
        return _failed(folder, Fault(rank, 2, str(error), at=time.time()))
    except TrainingFailedError as failure:
        return _failed(folder, Fault(rank, 1, str(failure), shared=failure.on_all_ranks, at=time.time()))
    except KeyboardInterrupt:
        return _failed(folder, Fault(rank, STOPPED, "interrupted; what was finished is kept", at=time.time()))
    except BaseException as error:
        message = told(error)
        return _failed(folder, Fault(rank, 2, message, at=time.time()) if message is not None else _defect(rank))
    return 0


@contextmanager
def _time_noted(folder: Path, group: Group) -> Iterator[None]:
    """Add the time that the job takes, over all its starts, to FOLDER/spent.json."""
    started = time.monotonic()
    try:
        yield
    finally:
        if group.first:
            add_spent(folder, time.monotonic() - started)


def _defect(rank: int) -> Fault:
    return Fault(rank, 1, traceback.format_exc().rstrip(), at=time.time())


def _stage_stopped(stop: BaseException | None) -> str | None:
    """Where a stage was stopped and saved, also when a second signal came on the way out."""
    while stop is not None:
        if isinstance(stop, StageInterruptedError):
            return str(stop)
        stop = stop.__context__
    return None


def _wait_for_the_first(folder: Path) -> None:
    """It has more to do when all are asked to stop, and srun ends it as soon as another one leaves."""
    end = time.monotonic() + FIRST_SECONDS
    while not fault_path(folder, 0).exists() and time.monotonic() < end:
        time.sleep(0.1)


def _place(folder: Path, by: str, kind: str) -> str:
    """Where a job was stopped: the same words for two starts say that it does not get on."""
    state = read_progress(folder / PROGRESS) if kind in KEEPING else None
    where = f" at {line_of(replace(state, per_second=None))}" if state is not None else ""
    return f"stopped by {by}{where}; what was finished is kept"


def _failed(folder: Path, fault: Fault) -> int:
    """Leave word of it; on this process's own output only where nobody reads that word, and no other has spoken."""
    try:
        write_fault(folder, fault)
        by_script = fault.status == STOPPED and STOPPED_NOTE in os.environ
        told = LEASH in os.environ or by_script or not speaks_first(folder)
    except (OSError, UserError):
        told = fault.shared and fault.rank > 0
    if not told:
        say(f"error: {fault.message}" if fault.status == 2 else fault.message, file=sys.stderr)
    return fault.status


def end_with_starter(leash: int) -> None:
    """When the process that has started this one is gone, stop as if asked to; end by force where that takes long.

    `leash`: a pipe that it holds open and never writes to.
    """

    def watch() -> None:
        while True:
            try:
                if os.read(leash, 1) == b"":
                    break
            except InterruptedError:
                continue
            except OSError:
                return
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(words: list[str]) -> int:
    if not words:
        print("usage: python -m fgtrain.jobs FOLDER ...", file=sys.stderr)
        return 2
    if (leash := os.environ.get(LEASH)) is not None:
        end_with_starter(int(leash))
    return next((status for word in words if (status := run_job(Path(word)))), 0)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))

__all__ = ["Group", "main", "run_job"]
