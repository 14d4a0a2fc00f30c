"""fgtrain init PHOTOS --model NAME [--general WHAT ...] [--group COLUMN] [--out DIR]

Looks at a folder of photos and writes what trains a model on them and proves what it forgets: a list of the photos with
a side for each, a template of a taxonomy, a recipe and a study. Builds the questions, and ends with the plan.
"""

import argparse
import os
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="fgtrain init",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("photos", metavar="PHOTOS", type=Path, help="a folder per class, or photos and a table of them")
    top.add_argument("--model", required=True, metavar="NAME", help="a hub id, or a folder in Hugging Face format")
    top.add_argument(
        "--general",
        action="append",
        default=[],
        metavar="WHAT",
        help="other data to mix in and to measure forgetting by: a file of conversations in LLaVA's form, a folder of "
        "benchmark questions, a training set, or drawn (skills that are drawn here); may be given several times",
    )
    top.add_argument("--name", metavar="COLUMN", help="the table's column of names, where that is not plain")
    top.add_argument(
        "--group", metavar="COLUMN", help="the table's column of what stays on one side: an animal, a burst"
    )
    top.add_argument("--out", metavar="DIR", type=Path, help="the folder to write (default: PHOTOS-fgtrain, here)")
    top.add_argument("--network", action="store_true", help="the model may be downloaded, now and when it is trained")
    return top


def main(words: list[str]) -> int:
    """Exit status 0; UserError for whatever of the input is at fault."""
    arguments = parser().parse_args(words)
    if not arguments.network:
        # Read when the libraries are imported, so before that. Their bars would only tell of local files.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from .begin import begin  # brings torch along, which --help need not

    begin(arguments)
    return 0
