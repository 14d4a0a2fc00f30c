"""fgtrain ask CHECKPOINT PHOTO... [QUESTION] [--csv FILE] [--beside CHECKPOINT]
fgtrain ask CHECKPOINT --serve [--port N] [--beside CHECKPOINT]

What a checkpoint says about photos. Without a question it names what is in each: by the likelihood of every name that
the run's data has (or of --names), the five likeliest with their probabilities, and "uncertain" where none has more
than half of it. CHECKPOINT is a run's folder (its last stage), a stage's, a checkpoint's, or a released model (a
folder, or a hub id that is on this machine). PHOTO may be a folder: all photos in it and below.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from data_builders.shared.terminal import say
from fgtrain.errors import UserError

if TYPE_CHECKING:
    from .model import Model
    from .names import Names

PORT = 8765
T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="fgtrain ask",
        usage="fgtrain ask CHECKPOINT PHOTO... [QUESTION] [options]\n       fgtrain ask CHECKPOINT --serve [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("checkpoint", metavar="CHECKPOINT", help="for example runs/NAME or runs/NAME/sft")
    top.add_argument("words", nargs="*", metavar="PHOTO | QUESTION", help="photos or folders, then perhaps a question")
    top.add_argument("--beside", metavar="CHECKPOINT", help="asked the same: what the base said, say")
    top.add_argument(
        "--names", metavar="FILE", help="the names to choose among, one a line or a taxonomy .csv; or a data set's"
    )
    top.add_argument("--csv", metavar="FILE", type=Path, help="write all answers as a table, instead of showing them")
    top.add_argument("--serve", action="store_true", help="a page on this machine: drop a photo, ask")
    top.add_argument("--port", metavar="N", type=int, help=f"of the page (default: {PORT})")
    top.add_argument("--network", action="store_true", help="a hub id may be downloaded")
    return top


def main(words: list[str]) -> None:
    """UserError for what cannot be asked so."""
    arguments = parser().parse_intermixed_args(words)
    if arguments.serve:
        if arguments.words or arguments.csv:
            raise UserError("--serve is asked on its page. Leave out photos, question and --csv, or --serve")
    elif arguments.port is not None:
        raise UserError("--port is of --serve. Add --serve, or leave it out")
    elif not arguments.words:
        raise UserError("no photo to ask about. Give photos or folders, or --serve for a page")
    if arguments.port is not None and not 0 <= arguments.port < 65536:
        raise UserError(f"--port is {arguments.port}. Write 1 to 65535, or 0 for one that is free")
    if not arguments.network:  # read when the libraries are imported
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if arguments.serve:
        serve(arguments)
    else:
        ask(arguments)


def ask(arguments: argparse.Namespace) -> None:
    from .photos import photos_and_question

    photos, question = photos_and_question(arguments.words)
    if arguments.csv is not None:
        refuse_no_place(arguments.csv)
    models, names = opened(arguments, question)

    from data_builders.shared.progress import progress

    from .table import write_table

    with progress("asking", "answers", len(photos) * len(models), brief=True) as advance:
        replies = told(advance, chain.from_iterable(one.ask_all(photos, question, names) for one in models))
        if arguments.csv is not None:
            count = write_table(arguments.csv, replies, names is not None)
        found = list(replies)
    if arguments.csv is not None:
        say(f"{count:,} answers in {arguments.csv}")
        return
    for place, photo in enumerate(photos):
        say(photo)
        for reply in found[place :: len(photos)]:
            said = f"{reply.checkpoint}: {reply}" if len(models) > 1 else str(reply)
            say("  " + said.replace("\n", "\n  "))


def told(advance: Callable[[int], None], replies: Iterable[T]) -> Iterator[T]:
    for one in replies:
        advance(1)
        yield one


def refuse_no_place(path: Path) -> None:
    """UserError where no table can be written."""
    if path.is_dir():
        raise UserError(f"--csv {path} is a folder. Name a file in it: {path / 'answers.csv'}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--csv {path}: there is no folder {path.parent}. Make it, or name another")


def opened(arguments: argparse.Namespace, question: str | None) -> "tuple[list[Model], Names | None]":
    """The checkpoints, and the names that they weigh. What can be refused is refused before anything is loaded."""
    from .place import find_place, names_for, refuse_nothing_asked

    given = [arguments.checkpoint, *([] if arguments.beside is None else [arguments.beside])]
    places = [find_place(one) for one in given]
    names = names_for(places, arguments.names, bool(question))
    refuse_nothing_asked(places[0], question, names)

    from .model import open_model

    return [open_model(one, arguments.names, arguments.network) for one in given], names


def serve(arguments: argparse.Namespace) -> None:
    from .page import Page
    from .server import server_at

    with server_at(PORT if arguments.port is None else arguments.port) as server:  # before anything is loaded
        models, names = opened(arguments, "")
        server.page = Page(models, names, always=arguments.names is not None)
        say(f"http://{server.hosts[0]} shows the page, to this machine alone. Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        say("\nended")
