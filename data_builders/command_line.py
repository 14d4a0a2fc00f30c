"""The command line as argparse has it, and what its own --help says. What a command needs is imported with it."""

import argparse
from difflib import get_close_matches
from importlib import import_module
from textwrap import fill

from .builder_code import MODULES, PROGRAM
from .shared.errors import UserError
from .shared.version_option import add_version

WIDTH = 116  # columns
# Word -> its line. Each is the builder's own summary.
TRAINING = {
    "short_answer": "one question per image, its category as the answer",
    "questions": "true/false, choice and short-answer questions as FG-BMK asks them, from training images",
    "preferences": "training rows for objective dpo: a question, the right answer chosen, a sibling's name or a "
    "model's own rejected",
    "caption": "a plain caption per image",
    "caption_fg": "training rows for alignment: the name of the object at a chosen granularity, one question per image",
    "tf_balanced": "true/false questions in which every category occurs equally often, half yes and half no",
    "mosaic": "N x N collages of training images, every tile named",
    "open_world": "introductions and open questions per category, written from a text by a model or by rules",
    "llava": "a file in LLaVA's conversation format, as downloaded or your own",
}
BENCHMARKS = {
    "fgbmk": "FG-BMK's human-oriented files from the test split",
    "frow": "an open-world question and a reference answer per category, as FROW; or FROW as published",
    "general": "AI2D, ChartQA, DocVQA, InfographicsVQA, MathVista, POPE from their downloads",
}
OTHERS = {
    "unpack": "picture files of a data set that is downloaded packed (CIFAR-100: binary version or parquet files)",
    "knowledge": "benchmark questions without pictures: which category has an attribute, from the data set's own "
    "attributes",
    "drawn": "a miniature world: species in CUB's layout, general skills with test questions, facts in words; or, with "
    "--source, a miniature of one data set in its own layout",
    "check": "leakage between training sets and benchmarks, contradictions inside them; exit status 2 when something "
    "leaks",
    "name_counts": "how often the names of a data set's categories occur in training sets (FG-BMK, section 4.2)",
}
# What is no builder: its module has NAME, add_to(commands) and run(values).
COMMANDS = {"check": "leakage.check_command", "name_counts": "name_counts.command"}
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


def parser(*asked: str) -> Parser:
    """With the options of the commands `asked`; without any, of all."""
    top = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} WHAT --root DIR --out DIR [options]",
        description=DESCRIPTION.format(training=_told(TRAINING), benchmarks=_told(BENCHMARKS), others=_told(OTHERS)),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(top)
    commands = top.add_subparsers(
        dest="what",
        metavar="WHAT",
        required=True,
        help=argparse.SUPPRESS,
        parser_class=argparse.ArgumentParser,
        prog=PROGRAM,
    )
    for name in (*MODULES, *COMMANDS):
        if asked and name not in asked:
            commands.add_parser(name)
        elif name in COMMANDS:
            import_module(f".{COMMANDS[name]}", __package__).add_to(commands)
        else:
            from .build import find_builder
            from .command_help import add_builder

            add_builder(commands, name, find_builder(name))
    top.commands = commands.choices
    return top


def _told(lines: dict[str, str]) -> str:
    told = [
        fill(text, WIDTH, initial_indent=f"  {name:13} ", subsequent_indent=" " * 16) for name, text in lines.items()
    ]
    return "\n".join(told)
