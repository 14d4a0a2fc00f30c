"""python -m data_builders WHAT --root DIR --out DIR [options]"""

import sys

from .shared.errors import run_command
from .shared.terminal import say


def main(arguments: list[str]) -> None:
    # Here, so that Ctrl-C meanwhile ends as it does later.
    from .build import build
    from .command_help import parser
    from .leakage import check_command as check
    from .name_counts import command as name_counts

    values = vars(parser().parse_args(arguments))
    for other in (check, name_counts):
        if values["what"] == other.NAME:
            return other.run(values)
    what, out, root = values.pop("what"), values.pop("out"), values.pop("root", None)
    manifest = build(what, root=root, out=out, options=values)
    parts = [f"{manifest[key]:,} {key}" for key in ("rows", "images") if key in manifest]
    say(f"{what}: {', '.join(parts)} in {out}")


def command() -> int:
    """The console script; returns the exit status."""
    return run_command(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(command())
