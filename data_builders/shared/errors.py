"""The one exception that means: the user's input is at fault."""

import errno
import sys
from collections.abc import Callable

from .terminal import say

# What a file system refuses is the user's to mend; any other error of the system is a defect or nobody's.
REFUSALS = frozenset(
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE, errno.EIO),
    ]
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


def run_command(main: Callable[[], None]) -> int:
    """Run a command line's body; return its exit status: 0 done, 2 the user's input is at fault, 130 by Ctrl-C, 143 by
    SIGTERM."""
    try:
        main()
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        where = " -> ".join(str(path) for path in (error.filename, error.filename2) if path is not None)
        say(f"error: {error.strerror}{f': {where}' if where else ''}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return error.status if isinstance(error, Interrupted) else 130
    return 0
