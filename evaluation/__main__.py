"""`python -m evaluation run | score | compare | study | report`: ask, score, set runs or arms beside each other, export
for a paper."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from data_builders.shared.errors import run_command
from data_builders.shared.version_option import add_version

# Word -> its line in the help. Its module in commands/ is imported when it is asked for: some need much.
COMMANDS = {
    "run": "ask a model and score its answers",
    "score": "score a predictions or a judge's file",
    "compare": "set runs beside each other and write a report",
    "study": "compare arms, each with runs of several seeds, and write the answer",
    "report": "write the report of runs or of a study again, or export it for a paper",
    "judge": "have a model, or rules, judge FROW answers",
    "judge-agreement": "how far judges agree on the same answers, people among them",
    "features": "measure a vision encoder's features: probe, kNN, retrieval, PGD",
    "confusions": "wrong names that a model takes for the right one, for questions with hard options",
    "friedman": "do models differ over data sets: Friedman, Nemenyi, CD diagram",
    "published": "list the numbers of the papers, with table, rule and conditions",
}
NAMING_TASKS = ("run", "score", "compare", "study", "report", "judge", "judge-agreement", "confusions")
TASKS_FROM = "a folder with task files of your own; several times for several (docs/extending/tasks.md)"


def parser(*asked: str) -> argparse.ArgumentParser:
    """With the options of the commands `asked`; without any, of all."""
    main = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    add_version(main)
    commands = main.add_subparsers(dest="command", required=True)
    for word, line in COMMANDS.items():
        one = commands.add_parser(word, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if word in asked or not asked:
            import_module(f".commands.{word.replace('-', '_')}", __package__).add_options(one)
            if word in NAMING_TASKS:
                one.add_argument("--tasks-from", type=Path, action="append", default=[], metavar="DIR", help=TASKS_FROM)
    return main


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user's input is at fault, 1 anything else (with its traceback)."""
    words = sys.argv[1:] if argv is None else argv
    ends = [0]

    def run() -> None:
        arguments = parser(words[0] if words else "").parse_args(words)
        if folders := getattr(arguments, "tasks_from", None):
            from .tasks.task_files import use_tasks_from

            use_tasks_from(folders)
        ends.append(arguments.do(arguments) or 0)

    return run_command(run) or ends[-1]  # imports too: Ctrl-C meanwhile ends as it does later


if __name__ == "__main__":
    sys.exit(main())
