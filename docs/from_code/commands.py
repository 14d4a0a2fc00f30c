"""Every command's help, as the terminal prints it."""

import argparse
import contextlib
import io
import os
from collections.abc import Callable, Iterator

WIDTH = 100  # columns


def commands() -> str:
    """A heading for each command line, with its help."""
    return "\n".join(_section(title, text) for title, text in helps())


def helps() -> Iterator[tuple[str, str]]:
    """(command, its help) of all three packages, and of each of their commands."""
    from data_builders.command_line import parser as data_parser
    from evaluation.__main__ import parser as evaluation_parser
    from fgtrain.__main__ import SUBCOMMANDS, main

    os.environ["COLUMNS"] = str(WIDTH)
    yield "python -m fgtrain", _printed(lambda: main(["--help"]))
    for word in SUBCOMMANDS:
        yield f"python -m fgtrain {word}", _printed(lambda word=word: main([word, "--help"]))
    yield from _of_all("python -m data_builders", data_parser())
    yield from _of_all("python -m evaluation", evaluation_parser())


def _of_all(program: str, top: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield program, top.format_help()
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, one in action.choices.items():
                yield f"{program} {word}", one.format_help()


def _printed(call: Callable[[], object]) -> str:
    """What a call for --help prints before it ends."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        call()
    return text.getvalue()


def _section(title: str, text: str) -> str:
    level = "##" if len(title.split()) == 3 else "###"
    return f"\n{level} `{title}`\n\n````text\n{text.rstrip()}\n````\n"
