"""What is no defect of this program: the user's mistakes, and the limits of the machine. One message each."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator

from .terminal import say

# What a file system refuses is the user's to mend; any other error of the system is a defect or nobody's.
REFUSALS = frozenset(
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE, errno.EIO),
    ]
)
KEPT = "What was finished is kept; the same command goes on from there"
MEMORY = "no memory left. End what else runs here, ask for more (sbatch --mem), or raise the limit: ulimit -v unlimited"
THREADS = "no more threads or processes can be started. End what else runs here, or raise the limit (ulimit -u)"
# What a machine has only so much of, and what to do.
LIMITS = {
    errno.ENOSPC: "no space left on the disk. Free some, or choose another place",
    errno.EDQUOT: "no space left in your quota of the disk. Free some, or choose another place",
    errno.EFBIG: "a file may not grow so large here. Raise the limit: ulimit -f unlimited",
    errno.EROFS: "the disk can only be read. Choose another place",
    errno.EMFILE: "too many files are open at once. Raise the limit: ulimit -n 65536",
    errno.ENFILE: "too many files are open at once on this machine. End what else runs here",
    errno.ENOMEM: MEMORY,
    errno.EAGAIN: THREADS,
}
# As libraries that are not written in Python say it.
OS_ERROR = re.compile(r"\(os error (\d+)\)")
SPOKEN = (
    (re.compile(r"can't start new thread|pthread_create|unable to create thread", re.I), errno.EAGAIN),
    (re.compile(r"can'?t allocate memory|cannot allocate memory|unable to mmap|std::bad_alloc", re.I), errno.ENOMEM),
    (re.compile(r"failed to map segment from shared object", re.I), errno.ENOMEM),
    *((re.compile(re.escape(os.strerror(number)), re.I), number) for number in LIMITS if number != errno.EAGAIN),
)


class UserError(Exception):
    """A mistake in a recipe, a path, a data file or an option.

    The message names the place, the value and what to type instead. Every command prints it without a traceback
    and exits with status 2; any other exception is a defect of this program and keeps its traceback (status 1).
    """


class Interrupted(KeyboardInterrupt):
    """Asked to stop by the signal of this number: as Ctrl-C is."""

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number


def limit_of(error: BaseException) -> int | None:
    """The `errno` in `LIMITS` that the error stands for, whichever library has raised it; else None."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        # A socket or a file that would make one wait is no limit.
        waits = error.errno == errno.EAGAIN and error.filename is not None
        return error.errno if error.errno in LIMITS and not waits else None
    # Other kinds of Python's own, such as a KeyError, hold somebody's text.
    if isinstance(error, UserError | LookupError | ValueError | TypeError):
        return None
    text = str(error)
    if (found := OS_ERROR.search(text)) is not None:
        return int(found[1]) if int(found[1]) in LIMITS else None
    return next((number for pattern, number in SPOKEN if pattern.search(text)), None)


def limit_within(error: BaseException | None) -> int | None:
    """`limit_of` the error, or of what it came of: somebody may have taken it for a broken file."""
    return next((limit for one in _chain(error) if (limit := limit_of(one)) is not None), None)


def told(error: BaseException, place: object = None) -> str | None:
    """The one message for what the user or the machine is at fault for; None for a defect of this program.

    `place`: the file that was being written, where that is known.
    """
    if isinstance(error, UserError):
        text, limit = str(error), limit_within(error)
        # "cannot be read; replace the file" is no advice where nothing can be opened any more.
        blamed = limit is not None and LIMITS[limit][:13] not in text
        return f"{LIMITS[limit]}. {KEPT}. It was met here: {text}" if blamed else text
    for one in _chain(error):
        if (limit := limit_of(one)) is not None:
            where = _where(one) or (str(place) if place is not None else "")
            return f"{where + ': ' if where else ''}{LIMITS[limit]}. {KEPT}"
    if isinstance(error, OSError) and error.errno in REFUSALS:
        where = _where(error) or (str(place) if place is not None else "")
        return f"{error.strerror}{f': {where}' if where else ''}"
    return None


def _where(error: BaseException) -> str:
    names = (getattr(error, name, None) for name in ("filename", "filename2"))
    return " -> ".join(str(name) for name in names if name is not None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        hidden = error.__suppress_context__ and not isinstance(error, UserError)
        error = error.__cause__ or (None if hidden else error.__context__)


def run_command(main: Callable[[], None]) -> int:
    """Run a command line's body; return its exit status: 0 done, 2 the user's input is at fault or the machine's limits
    are met, 130 by Ctrl-C, 143 by SIGTERM."""
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return error.status if isinstance(error, Interrupted) else 130
    except Exception as error:
        if (message := told(error)) is None:
            raise
        say(f"error: {message}", file=sys.stderr)
        return 2
    return 0
