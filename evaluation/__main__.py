"""`python -m evaluation run | score | compare`: ask a model, score a file, set runs beside each other."""

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from data_builders.errors import UserError, run_command

from .compare import print_comparison, print_scores
from .engine import evaluate
from .features.command import add_features, add_friedman
from .judging.command import add_judge
from .ledger import read_run
from .protocols import Answerer
from .score_command import add_score
from .scores import add_checkpoint
from .task import load_tasks

ANSWERERS = "evaluation.answerers"  # entry points: name -> callable(folder) -> Answerer | None


def find_answerer(folder: Path) -> Answerer:
    """The model in a folder, from the first registered loader that can load it. UserError when none can."""
    if not folder.is_dir():
        raise UserError(f"--model {folder}: no such folder")
    tried = []
    for point in sorted(entry_points(group=ANSWERERS), key=lambda one: one.name):
        load: Callable[[Path], Answerer | None] = point.load()
        if (answerer := load(folder)) is not None:
            return answerer
        tried.append(point.name)
    names = f"tried: {', '.join(tried)}" if tried else f"no loader is installed (entry points {ANSWERERS!r})"
    raise UserError(f"--model {folder}: nothing can load this model ({names}). A checkpoint folder has a config.json")


def command_run(arguments: argparse.Namespace) -> None:
    names = [name.strip() for name in arguments.tasks.split(",") if name.strip()]
    if not names:
        raise UserError("--tasks names no task; for example --tasks fgbmk,frow")
    tasks = load_tasks(names, arguments.data)
    answerer = find_answerer(arguments.model)
    folder = arguments.out / "answers" / arguments.checkpoint
    scores = evaluate(answerer, tasks, folder, arguments.subset, arguments.batch_size)
    add_checkpoint(
        arguments.out,
        arguments.checkpoint,
        stage=None,
        samples_seen=0,
        step=0,
        model_hash=answerer.model_hash,
        scores=scores,
    )
    print_scores(list(scores.values()))
    print(f"answers in {folder}, scores in {arguments.out / 'scores.json'}")


def command_compare(arguments: argparse.Namespace) -> None:
    from .report import write_report

    print_comparison([read_run(folder) for folder in arguments.runs])
    write_report(arguments.runs, arguments.out)
    print(f"report: {arguments.out}")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="ask a model and score its answers")
    run.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    run.add_argument("--tasks", required=True, help="task files, tasks or globs: fgbmk,frow/cub,drawn/*")
    run.add_argument("--data", type=Path, nargs="+", required=True, help="folders that hold FG-BMK/, FROW/, general/")
    run.add_argument("--out", type=Path, required=True, help="folder for answers/ and scores.json")
    run.add_argument("--checkpoint", default="start", help="the name of this model in --out (default: start)")
    run.add_argument("--subset", type=positive, help="ask a fixed part of this many questions a task")
    run.add_argument("--batch-size", type=positive, default=64, help="questions asked at once (default: 64)")
    run.set_defaults(do=command_run)
    add_score(commands)
    compare = commands.add_parser("compare", help="set runs beside each other and write a report")
    compare.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder with scores.json")
    compare.add_argument("--out", type=Path, required=True, help="report file (HTML)")
    compare.set_defaults(do=command_compare)
    add_judge(commands)
    add_features(commands)
    add_friedman(commands)
    return main


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user's input is at fault, 1 anything else (with its traceback)."""
    arguments = parser().parse_args(argv)
    return run_command(lambda: arguments.do(arguments))


if __name__ == "__main__":
    sys.exit(main())
