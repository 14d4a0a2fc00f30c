"""python -m fgtrain import-internvl SRC DST [--network]

Reads InternVL-2.5, InternViT or InternLM2 as published into transformers' own format. None of SRC's code is run.
"""

import argparse
from pathlib import Path

from data_builders.shared.terminal import say


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain import-internvl",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("src", metavar="SRC", help="a folder as published, or a hub id that is in the local hub cache")
    top.add_argument("dst", metavar="DST", type=Path, help="a new folder; it appears when it is whole")
    top.add_argument("--network", action="store_true", help="download SRC from the hub if it is not on this machine")
    return top


def main(words: list[str]) -> None:
    arguments = parser().parse_args(words)
    from .convert import import_checkpoint
    from .source import find_folder

    done = import_checkpoint(find_folder(arguments.src, arguments.network), arguments.dst)
    say(f"{arguments.dst}: {done.kind}, {done.parameters:,} parameters in {done.files} files, {done.dtype}")
    for note in done.notes:
        say(f"note: {note}")
