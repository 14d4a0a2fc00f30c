"""`python -m data_builders check`: training sets against benchmarks, at any time."""

import argparse
from pathlib import Path

from ..shared.errors import UserError
from ..shared.terminal import say
from .benchmarks import find_question_files
from .build_check import faults_message
from .comparing import compare
from .contradictions import contradictions
from .findings import leaks, lines, write_findings
from .outcome import Settings
from .picture_hashes import BITS, LARGEST_COLOUR, MEAN_COLOUR, NEAR_BITS, QUARTER_COLOUR
from .training import find_sets

NAME = "check"
SUMMARY = "leakage between training sets and benchmarks, contradictions inside them; exit status 2 when something leaks"
DESCRIPTION = f"""\
Compares every training set at --root (a folder with manifest.json and rows.jsonl, or a folder of such, at most four
folders deep) with every benchmark at --against (a data folder with FG-BMK, FROW or general in it; or a folder or file
of these) and with the official test split of the source that it was made from.

What is found
  test_image          an image that the source's own test split lists
  identical_image     the same bytes as a test image
  near_image          nearly a test image: perceptual hashes at most --near-bits of {BITS} bits apart, and the same
                      colours on an 8 x 8 grid (they differ by {MEAN_COLOUR} of 255 in the mean at most, by
                      {QUARTER_COLOUR} in the best quarter of the cells, by {LARGEST_COLOUR} + bits / 2 in the worst).
                      Of photographs, all re-encoded, halved or 5 % brighter copies are found, 98 % of those cropped
                      by 2 %, and nine of ten of those cropped by 2 % at every side; black-and-white copies are not,
                      mirrored ones on demand.
                      Pictures without any shape (all black) are compared by bytes only.
  question_and_image  a benchmark's question trained on together with its image
  question            an open question of a benchmark, in the same or nearly the same words (four fifths of all words,
                      and 85 % of those that decide what is asked). Open are FROW's questions, questions without an
                      image, and of general benchmarks those of 8 words or more that are asked about one image only
                      and have no shape in common with others. Wordings filled in for many images, such as FG-BMK's,
                      are the same in training and test by design and leak only with their image.
  label               byte-identical images of one training set with different labels (not of sets made by llava)
  benchmark_answer    byte-identical images of a benchmark with different answers; listed, not counted as a leak

Exit status 0: nothing leaks. 2: something does, or images are missing or broken (all are listed). Everything found is
in <out>/findings.jsonl, one object a line. What is found out about images is kept in $XDG_CACHE_HOME/fgtrain/pictures
(else ~/.cache), which may be deleted at any time."""


def switch(text: str) -> bool:
    if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text!r}; write true or false")
    return text.lower() in ("true", "yes", "1")


def bits(text: str) -> int:
    if not text.isdigit() or int(text) > BITS // 4:
        raise argparse.ArgumentTypeError(f"{text!r}; write a number from 0 to {BITS // 4}")
    return int(text)


def add_to(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        NAME,
        help=SUMMARY,
        description=DESCRIPTION,
        epilog="example:\n  python -m data_builders check --root data --against data --out leakage",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=116),
        usage="python -m data_builders check --root DIR [--against DIR,...] [--out DIR] [options]",
        allow_abbrev=False,
    )
    command.add_argument(
        "--root", metavar="DIR", type=Path, required=True, help="a training set, or a folder of training sets"
    )
    command.add_argument("--against", metavar="DIR,...", default="", help="benchmarks; default only the own test split")
    command.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("leakage"), help="folder of findings.jsonl (default leakage)"
    )
    command.add_argument(
        "--check", choices=("full", "bytes"), default="full", help="bytes: no image is decoded (default full)"
    )
    command.add_argument(
        "--near-bits", type=bits, metavar="BITS", default=NEAR_BITS, help=f"0 to {BITS // 4}, default {NEAR_BITS}"
    )
    on = {"type": switch, "nargs": "?", "const": True, "metavar": "true|false"}
    command.add_argument("--mirrored", default=False, help="find mirrored images too (default false)", **on)
    command.add_argument(
        "--own-test", default=True, help="compare with the own source's test split (default true)", **on
    )


def run(values: dict) -> None:
    """UserError (after the list was printed) when something leaks, or images are missing or broken."""
    sets = find_sets(values["root"], values["own_test"])
    folders = [Path(one.strip()) for one in values["against"].split(",") if one.strip()]
    files = list({file.path: file for folder in folders for file in find_question_files(folder)}.values())
    if not files and not any(one.test_images for one in sets) and not any(one.labelled for one in sets):
        raise UserError("nothing to compare with: name benchmarks, --against DIR")
    settings = Settings(values["check"] == "full", values["near_bits"], values["mirrored"])
    outcome = compare(sets, files, settings)
    findings = outcome.findings + contradictions(files)
    path = write_findings(values["out"], findings)
    say("\n".join(lines(findings)), end="\n" if findings else "")
    say(
        f"{len(sets):,} training sets ({outcome.images:,} images) against {outcome.test_images:,} test images and "
        f"{outcome.questions:,} questions ({outcome.open_questions:,} open) in {len(files):,} files"
    )
    for line in outcome.not_compared():
        say(line)
    if outcome.flat:
        say(f"{outcome.flat:,} images without any shape were compared by their bytes only")
    if outcome.faults:
        raise UserError(faults_message(outcome.faults))
    if found := leaks(findings):
        raise UserError(f"{len(found):,} leaks or contradictions; all of them: {path}")
    say(f"nothing leaks{f'; listed: {path}' if findings else ''}")
