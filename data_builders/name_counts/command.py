"""`python -m data_builders name_counts`: how often each category's name stands in training sets."""

import argparse
import csv
import io
from pathlib import Path

from ..fgbmk_layout import dataset_of
from ..shared.errors import UserError
from ..shared.files import atomic_write, write_json
from ..shared.terminal import say
from ..sources import SOURCE_NAMES, known_sources, load_source
from .counting import count, rows_file, table
from .name_search import Names

NAME = "name_counts"
SUMMARY = "how often the names of a data set's categories occur in training sets (FG-BMK, section 4.2)"
DESCRIPTION = """\
Counts, for each category of the data set at --root, the rows of each training set that say its name (or an alias) and
the mentions: whole words, whatever their case, hyphens, accents, possessive or plural; of names that begin at one place
the longest. Whether the name is meant is not judged: an "orange" may be a colour.

Written: <out>/name_counts/<data set>.json and .csv, the data set called as FG-BMK calls it. Where <out> is a recipe's
built_root, the report sets the counts against the accuracy of each category."""


def data_sets(text: str) -> dict[str, Path]:
    """ "llava_665k=DIR, llava_558k=FILE.json" -> names and paths."""
    found = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, path = (one.strip() for one in part.partition("="))
        if not (name and equals and path) or name in found:
            raise argparse.ArgumentTypeError(f"{part!r}; write NAME=DIR,NAME=DIR, each name once")
        found[name] = Path(path)
    if not found:
        raise argparse.ArgumentTypeError("name at least one training set: NAME=DIR")
    return found


def add_to(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        NAME,
        help=SUMMARY,
        description=DESCRIPTION,
        epilog="example:\n  python -m data_builders name_counts --source cub --root CUB_200_2011 "
        "--data llava_665k=LLaVA-Instruct/llava_v1_5_mix665k.json --out data",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=116),
        usage="python -m data_builders name_counts --source NAME --root DIR --data NAME=DIR,... --out DIR [options]",
        allow_abbrev=False,
    )
    command.add_argument("--source", metavar="NAME", required=True, help=f"one of {', '.join(SOURCE_NAMES)}")
    command.add_argument("--root", metavar="DIR", type=Path, required=True, help="the data set as downloaded")
    command.add_argument(
        "--data", metavar="NAME=DIR,...", type=data_sets, required=True,
        help="training sets: a file of conversations as downloaded (an array or JSON lines), or a folder built here",
    )  # fmt: skip
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write into")
    command.add_argument("--level", metavar="NAME", help="level of the names (genus, ...); default the finest")


def run(values: dict) -> None:
    source_name, level_name = values["source"], values.get("level")
    if source_name not in (known := known_sources()):
        raise UserError(f"source is {source_name!r}; there are: {', '.join(known)}")
    files = {name: rows_file(path) for name, path in values["data"].items()}
    source = load_source(source_name, values["root"], look_for_images=False)
    level = source.level(level_name)
    finest = level is source.finest
    labels = sorted(source.labels(level))
    spelt = {label: (label, *(source.aliases.get(label, ()) if finest else ())) for label in labels}
    names = Names(spelt)
    counted = {name: count(names, file) for name, file in files.items()}
    dataset = dataset_of(source_name)
    path = values["out"] / NAME / f"{dataset}{'' if finest else f'.{level.name}'}.json"
    write_json(
        path,
        {
            "source": source_name,
            "dataset": dataset,
            "level": level.name,
            "data": {
                name: {"file": one.file, "rows": one.rows, "rows_naming_any": one.naming_any}
                for name, one in counted.items()
            },
            "categories": {
                label: {
                    "names": list(spelt[label]),
                    **{
                        name: {"rows": c.rows_with[label], "mentions": c.mentions[label]} for name, c in counted.items()
                    },
                }
                for label in labels
            },
        },
    )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(labels, counted))
    with atomic_write(path.with_suffix(".csv")) as file:
        file.write(text.getvalue())
    for name, one in counted.items():
        say(
            f"{name}: {one.naming_any:,} of {one.rows:,} rows name one of {len(labels):,} categories; "
            f"{sum(1 for label in labels if one.rows_with[label]):,} categories are named at all"
        )
    say(f"counts: {path} and {path.with_suffix('.csv').name}")
