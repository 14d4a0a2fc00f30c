"""python -m data_builders WHAT --root DIR --out DIR [options]"""

import argparse
import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from .build import BUILDERS, build, find_builder
from .builder import Builder
from .errors import run_command
from .leakage import command as check
from .options import SourceOptions
from .sources import SOURCE_NAMES, about


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m data_builders",
        description="Write training sets and benchmark question files. The same command again returns at once.",
    )
    commands = top.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name in BUILDERS:
        builder = find_builder(name)
        command = commands.add_parser(
            name,
            help=builder.summary,
            description=described(builder),
            epilog=f"example:\n  {example(name, builder)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if builder.needs_root:
            needed = not builder.root_optional
            command.add_argument("--root", type=Path, required=needed, help="folder of the data set as downloaded")
        command.add_argument("--out", type=Path, required=True, help="folder to write into")
        # What must be said comes first.
        for option, field in sorted(builder.options.model_fields.items(), key=lambda item: not item[1].is_required()):
            command.add_argument(
                "--" + option.replace("_", "-"),
                dest=option,
                metavar="VALUE",
                # a switch may stand alone: --allow-partial
                **({"nargs": "?", "const": "true"} if field.annotation is bool else {}),
                required=field.is_required(),
                default=argparse.SUPPRESS,
                # argparse formats help with %
                help=(field.description + default_of(field)).replace("%", "%%"),
            )
    check.add_to(commands)
    return top


def described(builder: Builder) -> str:
    """What a command's own help says before its options."""
    parts = [builder.summary + ".", builder.description]
    if issubclass(builder.options, SourceOptions):
        listed = [f"  {name}: {about(name).title}. {about(name).layout}" for name in SOURCE_NAMES]
        parts.append("\n".join(["--source, and what must lie at --root:", *listed]))
    return "\n\n".join(filter(None, parts))


def example(name: str, builder: Builder) -> str:
    words = builder.example or "--source cub --root CUB_200_2011"
    return f"python -m data_builders {name} {words} --out data/{name}"


def default_of(field: FieldInfo) -> str:
    """The default as the command line has it; nothing where "none given" says all."""
    if field.is_required():
        return " (needed)"
    value = field.default
    if value is None or value == ():
        return ""
    return f" (default {','.join(map(str, value)) if isinstance(value, tuple) else value})"


def main(arguments: list[str]) -> None:
    values = vars(parser().parse_args(arguments))
    if values["what"] == check.NAME:
        return check.run(values)
    what, out, root = values.pop("what"), values.pop("out"), values.pop("root", None)
    manifest = build(what, root=root, out=out, options=values)
    parts = [f"{manifest[key]:,} {key}" for key in ("rows", "images") if key in manifest]
    print(f"{what}: {', '.join(parts)} in {out}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
