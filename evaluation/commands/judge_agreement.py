"""`judge-agreement`: how far two judges agree; and FROW's evaluator study: people beside them, on a drawn sample."""

import argparse
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say

from .argument_types import positive

STUDY = Path("judge_study")


def add_options(agreement: argparse.ArgumentParser) -> None:
    agreement.description = (
        "Two judges' files; or a study with people: --sample draws and writes a blind sheet, --sheets "
        "reads filled ones. The sheet audits generated open-world rows, too (--rows)."
    )
    agreement.add_argument("files", type=Path, nargs="*", metavar="FILE", help="two judges' files")
    agreement.add_argument("--out", type=Path, help="write it as JSON (of a study: default STUDY/agreement.json)")
    people = agreement.add_argument_group("with people")
    people.add_argument("--study", type=Path, help=f"folder of the sheet and its key (default {STUDY})")
    people.add_argument(
        "--sample", type=positive, metavar="N", help="draw so many answers or rows, and write the sheet"
    )
    people.add_argument(
        "--answers", type=Path, nargs="+", default=[], help="of FROW: runs, folders of answers, or files of them"
    )
    people.add_argument("--data", type=Path, nargs="+", default=[], help="folders that hold FROW/ with its images")
    people.add_argument("--rows", type=Path, metavar="DATASET", help="a built open-world training set, to be audited")
    people.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    people.add_argument(
        "--sheets", type=Path, nargs="+", default=[], help="filled sheets, .csv or .xlsx, each called as who filled it"
    )
    agreement.set_defaults(do=command_agreement)


def command_agreement(arguments: argparse.Namespace) -> None:
    ways = [bool(arguments.files), arguments.sample is not None, bool(arguments.sheets)]
    if sum(ways) != 1:
        raise UserError(
            "write two judges' files, or --sample N with --answers RUN (or --rows DATASET), or --sheets FILE ..."
        )
    study = arguments.study or STUDY
    if arguments.sample is not None:
        draw(arguments, study)
    elif arguments.sheets:
        read_back(arguments, study)
    elif len(arguments.files) != 2:
        raise UserError(f"two judges are compared, and {len(arguments.files)} file was named")
    else:
        between_files(arguments)


def draw(arguments: argparse.Namespace, study: Path) -> None:
    from ..judging.answers_to_judge import answer_files, frow_tasks, read_answers
    from ..people.sample import answers_to_grade, drawn, rows_to_audit
    from ..people.sheet import ANSWERS, ROWS, write_sheet

    if bool(arguments.answers) == bool(arguments.rows):
        raise UserError("--sample needs --answers RUN, or --rows DATASET, and not both")
    if arguments.rows:
        entries, kind = rows_to_audit(arguments.rows), ROWS
    else:
        tasks = frow_tasks(arguments.data)
        entries = answers_to_grade([read_answers(path, tasks) for path in answer_files(arguments.answers)])
        kind = ANSWERS
    chosen = drawn(entries, arguments.sample, arguments.seed)
    name = write_sheet(study, kind, chosen, {"seed": arguments.seed, "sample": arguments.sample})
    of = len({one.stratum for one in chosen}), len({one.stratum for one in entries})
    say(f"draw {name}: {len(chosen)} of {len(entries)} {kind.name}, from {of[0]} of {of[1]} strata")
    if len(chosen) < arguments.sample:
        say(f"there are only {len(chosen)}")
    if not all(one.picture for one in chosen):
        say("without pictures: --data DIR says where they lie")
    say(f"give {study / 'for_people'} to each person, and keep {study / 'key.json'} from them; then")
    say(f"python -m evaluation judge-agreement --study {study} --sheets NAME.csv NAME.csv")


def read_back(arguments: argparse.Namespace, study: Path) -> None:
    from data_builders.shared.files import write_json

    from ..people.agreement import compare_people, print_people
    from ..people.filled import read_key, read_sheets

    key = read_key(study)
    found = compare_people(read_sheets(arguments.sheets, key), key)
    print_people(found)
    write_json(arguments.out or study / "agreement.json", found)


def between_files(arguments: argparse.Namespace) -> None:
    from data_builders.shared.files import write_json

    from ..judging.agreement import compare_files, print_agreement

    found = compare_files(*arguments.files)
    print_agreement(found)
    if arguments.out:
        write_json(arguments.out, found)
