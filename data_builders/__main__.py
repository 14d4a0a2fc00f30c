"""python -m data_builders WHAT --root DIR --out DIR [options]"""

import argparse
import sys
from pathlib import Path

from .build import BUILDERS, build, find_builder
from .errors import run_command
from .leakage import command as check


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
            description="\n\n".join(filter(None, (builder.summary + ".", builder.description))).replace("%", "%%"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if builder.needs_root:
            needed = not builder.root_optional
            command.add_argument("--root", type=Path, required=needed, help="folder of the data set as downloaded")
        command.add_argument("--out", type=Path, required=True, help="folder to write into")
        for option, field in builder.options.model_fields.items():
            default = "needed" if field.is_required() else f"default {field.default}"
            command.add_argument(
                "--" + option.replace("_", "-"),
                dest=option,
                metavar="VALUE",
                # a switch may stand alone: --allow-partial
                **({"nargs": "?", "const": "true"} if field.annotation is bool else {}),
                required=field.is_required(),
                default=argparse.SUPPRESS,
                # argparse formats help with %
                help=f"{field.description} ({default})".replace("%", "%%"),
            )
    check.add_to(commands)
    return top


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
