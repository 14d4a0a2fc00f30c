"""The command line as argparse has it, and all that --help says."""

import argparse
from difflib import get_close_matches
from pathlib import Path
from textwrap import fill
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .build import BENCHMARK_BUILDERS, BUILDERS, find_builder
from .builder import Builder
from .leakage import check_command as check
from .name_counts import command as name_counts
from .options import LeakOptions, Options, SourceOptions, WhichSource
from .shared.errors import UserError
from .sources import HELP_WIDTH, SOURCE_NAMES, about

PROGRAM = "python -m data_builders"
DESCRIPTION = """\
Writes training sets and benchmark question files from data sets as they are downloaded. No GPU, no torch.

training sets, which never hold an official test image:
{training}

benchmarks, from official test images:
{benchmarks}

besides:
{others}
"""
EPILOG = f"""\
a first round, with nothing to download:
  {PROGRAM} drawn --source cub --out drawn/cub        # a miniature in the layout of CUB-200-2011
  {PROGRAM} short_answer --source cub --root drawn/cub --out data/names
  {PROGRAM} fgbmk --source cub --root drawn/cub --out data
  {PROGRAM} check --root data --against data --out leakage

{PROGRAM} WHAT --help has WHAT's options, and what must lie at --root.

The same inputs, options and seed give the same bytes. Every command can be interrupted: the same one again goes on,
or returns at once when all is there. Exit status: 0 done; 2 the input is at fault (one message says where and what to
write instead); 130 interrupted; 1 a defect of this program.
"""


class Parser(argparse.ArgumentParser):
    """Says what a misspelt option may have meant."""

    def parse_args(self, args=None, namespace=None):
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = self.commands[found.what]
            name, known = unknown[0].partition("=")[0], list(command._option_string_actions)
            close = get_close_matches(name, known, 1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise UserError(f"{found.what} has no {name}.{meant} All its options: {PROGRAM} {found.what} --help")
        return found


def parser() -> Parser:
    names = {
        "training": [name for name in BUILDERS if issubclass(find_builder(name).options, LeakOptions)],
        "benchmarks": list(BENCHMARK_BUILDERS),
    }
    names["others"] = [name for name in BUILDERS if name not in names["training"] + names["benchmarks"]]
    told = {kind: "\n".join(map(line_of, some)) for kind, some in names.items()}
    for other in (check, name_counts):
        told["others"] += "\n" + line(other.NAME, other.SUMMARY)
    top = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} WHAT --root DIR --out DIR [options]",
        description=DESCRIPTION.format(**told),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(
        dest="what",
        metavar="WHAT",
        required=True,
        help=argparse.SUPPRESS,
        parser_class=argparse.ArgumentParser,
        prog=PROGRAM,
    )
    for name in BUILDERS:
        add_builder(commands, name, find_builder(name))
    check.add_to(commands)
    name_counts.add_to(commands)
    top.commands = commands.choices
    return top


def line(name: str, text: str) -> str:
    return fill(text, HELP_WIDTH, initial_indent=f"  {name:13} ", subsequent_indent=" " * 16)


def line_of(name: str) -> str:
    summary = find_builder(name).summary
    return line(name, summary.removeprefix("training rows: ").removeprefix("benchmark questions: "))


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
