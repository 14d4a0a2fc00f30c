"""`--version` of every command line: the program's version, and of the libraries that decide results."""

import argparse

from .terminal import say


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        from .made_with import versions

        found = versions()
        say(f"fgtrain {found.pop('fgtrain', 'not installed')}")
        say(", ".join(f"{name} {version}" for name, version in found.items()))
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """Give the parser --version, which prints the versions that decide results."""
    told = "print the versions that decide results, and stop"
    parser.add_argument(
        "--version", action=_Version, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, help=told
    )
