"""python -m data_builders WHAT --root DIR --out DIR [options]"""

import sys
from importlib import import_module

from .shared.errors import run_command
from .shared.terminal import say


def main(arguments: list[str]) -> None:
    # Here, so that Ctrl-C meanwhile ends as it does later.
    from .command_line import COMMANDS, parser

    values = vars(parser(arguments[0] if arguments else "").parse_args(arguments))
    if (module := COMMANDS.get(values["what"])) is not None:
        return import_module(f".{module}", __package__).run(values)
    from .build import build

    what, out, root = values.pop("what"), values.pop("out"), values.pop("root", None)
    manifest = build(what, root=root, out=out, options=values)
    parts = [f"{manifest[key]:,} {key}" for key in ("rows", "images") if key in manifest]
    say(f"{what}: {', '.join(parts)} in {out}")


def command() -> int:
    """The console script; returns the exit status."""
    return run_command(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(command())
