"""`python -m evaluation run | score | compare | study`: ask, score, set runs or arms beside each other."""

import argparse
import sys

from data_builders.shared.errors import run_command


def parser() -> argparse.ArgumentParser:
    from .commands.compare import add_compare
    from .commands.confusions import add_confusions
    from .commands.features import add_features
    from .commands.friedman import add_friedman
    from .commands.judge import add_judge
    from .commands.judge_agreement import add_judge_agreement
    from .commands.published import add_published
    from .commands.run import add_run
    from .commands.score import add_score
    from .commands.study import add_study

    main = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    add_run(commands)
    add_score(commands)
    add_compare(commands)
    add_study(commands)
    add_judge(commands)
    add_judge_agreement(commands)
    add_features(commands)
    add_confusions(commands)
    add_friedman(commands)
    add_published(commands)
    return main


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user's input is at fault, 1 anything else (with its traceback)."""

    ends = [0]

    def run() -> None:
        arguments = parser().parse_args(argv)
        ends.append(arguments.do(arguments) or 0)

    return run_command(run) or ends[-1]  # imports too: Ctrl-C meanwhile ends as it does later


if __name__ == "__main__":
    sys.exit(main())
