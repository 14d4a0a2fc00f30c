"""`confusions`: the wrong names that a model finds likeliest, for `data_builders --negatives FILE`."""

import argparse
from pathlib import Path

from data_builders.shared.terminal import say

from ..shared.confusions import TOP
from .argument_types import positive


def add_options(one: argparse.ArgumentParser) -> None:
    one.description = (
        "Out of the answers to a task of names/: run --tasks names --data DATA --out OUT leaves them in "
        "OUT/answers/start/names__DATASET__LEVEL.jsonl. FG-BMK asks about test pictures, so what is mined of them "
        "serves test questions; for training rows mine with features --confusions, which sees training pictures."
    )
    one.add_argument("--answers", type=Path, required=True, help="the answers to a task of names/")
    one.add_argument("--questions", type=Path, required=True, help="its file of short-answer questions")
    one.add_argument("--task", required=True, help="its name: names/cub/species")
    one.add_argument("--out", type=Path, required=True, help="the file to write: FILE.json")
    one.add_argument("--rule", choices=("names", "names_prior"), default="names", help="names_prior: without priors")
    one.add_argument("--top", type=positive, default=TOP, help=f"wrong names a category (default: {TOP})")
    one.set_defaults(do=command_confusions)


def command_confusions(arguments: argparse.Namespace) -> None:
    from ..scoring.confusions import mine_names
    from ..scoring.predictions import load_questions

    task = load_questions(arguments.task, arguments.questions)
    images = mine_names(task, arguments.answers, arguments.out, arguments.rule, arguments.top)
    say(f"{arguments.out}: of {len(task.names)} names, behind {images:,} pictures")
