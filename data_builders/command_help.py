"""A builder's own command line: its options, and all that its --help says."""

import argparse
from pathlib import Path
from textwrap import fill
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .builder import Builder
from .builder_code import PROGRAM
from .options import Options, SourceOptions, WhichSource
from .shared.plugins import package_of
from .sources import HELP_WIDTH, OWN, SOURCE_NAMES, about


def add_builder(commands: argparse._SubParsersAction, name: str, builder: Builder) -> None:
    command = commands.add_parser(
        name,
        description=described(builder),
        epilog=f"example:\n  {example(name, builder)}",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=HELP_WIDTH),
        allow_abbrev=False,
        usage=f"{PROGRAM} {name} {'--root DIR ' if builder.needs_root else ''}--out DIR [options]",
    )
    if builder.needs_root:
        needed = not builder.root_optional
        command.add_argument("--root", metavar="DIR", type=Path, required=needed, help="the data set as downloaded")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write into")
    # What must be said comes first, what all share last.
    fields = builder.options.model_fields.items()
    own = {key for kind in builder.options.__mro__[:1] for key in kind.__annotations__}
    for option, field in sorted(fields, key=lambda item: (not item[1].is_required(), item[0] not in own)):
        command.add_argument(
            "--" + option.replace("_", "-"),
            dest=option,
            metavar=metavar_of(option, field),
            # a switch may stand alone: --allow-partial
            **({"nargs": "?", "const": "true"} if field.annotation is bool else {}),
            required=field.is_required(),
            default=argparse.SUPPRESS,
            # argparse formats help with %
            help=(field.description + default_of(field)).replace("%", "%%"),
        )


def described(builder: Builder) -> str:
    """What a command's own help says before its options."""
    parts = [builder.summary + ".", *builder.description.split("\n\n")]
    told = [part if "\n" in part else fill(part, HELP_WIDTH) for part in parts]
    if reads_sources(builder.options):
        sources = [about(name).entry(name) for name in SOURCE_NAMES]
        sources += [f"  {name:15}of {package_of(point)}" for name, point in OWN.installed().items()]
        told.append("\n".join(["--source, and what must lie at --root:", *sources]))
    return "\n\n".join(filter(None, told))


def reads_sources(options: type[Options]) -> bool:
    return issubclass(options, SourceOptions) or options.model_fields.get("source", FieldInfo()).annotation == (
        WhichSource | None
    )


def example(name: str, builder: Builder) -> str:
    words = builder.example or "--source cub --root CUB_200_2011"
    return f"{PROGRAM} {name} {words} --out data/{name}"


def metavar_of(option: str, field: FieldInfo) -> str:
    """What may stand behind the option."""
    kind = field.annotation
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if kind is bool:
        return "true|false"
    if get_origin(kind) is Literal and len(words := "|".join(map(str, get_args(kind)))) < 40:
        return words
    if get_origin(kind) is tuple:
        return "A,B,..."
    if get_origin(kind) is dict:
        return "NAME=DIR,..."
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "NAME" if option == "source" else "TEXT")


def default_of(field: FieldInfo) -> str:
    """The default as the command line has it; nothing where "none given" says all."""
    if field.is_required():
        return " (needed)"
    value = field.default
    if value is None or value in ((), "", {}):
        return ""
    if isinstance(value, bool):
        return f" (default {str(value).lower()})"
    return f" (default {','.join(map(str, value)) if isinstance(value, tuple) else value})"
