"""`python -m evaluation study`: arms x seeds of runs made anywhere, answered with intervals over seeds and images."""

import argparse
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say

from ..ledger import load_run

MEASURES = "fine_grained,forgetting"


def add_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("arms", nargs="+", metavar="ARM=RUN,RUN", help="an arm's name and its run folders, one a seed")
    one.add_argument(
        "--contrast", action="append", default=[], metavar='"A - B"', help="arms to compare; several times"
    )
    one.add_argument(
        "--measure",
        action="append",
        metavar="NAME,NAME",
        help=f"with commas, or several times (default: {MEASURES}); also general, tasks, 'general at sft'",
    )
    one.add_argument("--name", help="of the study")
    one.add_argument("--question", default="", help="what the study asks; stands above its answer")
    one.add_argument("--out", type=Path, required=True, help="folder for answer.json, answer.md and report.html")
    one.set_defaults(do=command_study)


def command_study(arguments: argparse.Namespace) -> None:
    from ..report import write_study_report
    from ..study import StudyRuns, print_answer, study_answer, write_answer

    measures = tuple(part for one in ",".join(arguments.measure or [MEASURES]).split(",") if (part := one.strip()))
    if not measures:
        raise UserError(f"--measure names nothing; leave it out, or write --measure {MEASURES}")
    runs = StudyRuns(
        name=arguments.name,
        question=arguments.question,
        arms=read_arms(arguments.arms),
        measures=measures,
        contrasts=tuple(read_contrast(one) for one in arguments.contrast),
    )
    answer = study_answer(runs)
    print_answer(answer)
    write_answer(answer, arguments.out)
    write_study_report(runs, answer, arguments.out / "report.html")
    say(f"answer: {arguments.out / 'answer.json'}, in words: {arguments.out / 'answer.md'}")
    say(f"report: {arguments.out / 'report.html'}")


def read_arms(texts: list[str]) -> dict[str, dict[int, Path]]:
    """ARM=RUN,RUN -> arm -> seed -> folder. The seed is that of the run's recipe; where a run has none on record the
    runs of all arms are numbered by their place, so that arms pair by it."""
    folders: dict[str, list[Path]] = {}
    for text in texts:
        arm, equals, runs = text.partition("=")
        paths = [Path(one.strip()) for one in runs.split(",") if one.strip()]
        if not (equals and arm.strip() and paths):
            raise UserError(f"{text!r} is no arm; write its name and its runs: early=runs/early_17,runs/early_18")
        if arm.strip() in folders:
            raise UserError(f"arm {arm.strip()!r} is given twice; name all its runs at once: {arm.strip()}=RUN,RUN")
        folders[arm.strip()] = paths
    seeds = {arm: [recipe_seed(path) for path in paths] for arm, paths in folders.items()}
    if any(seed is None for own in seeds.values() for seed in own):
        return {arm: dict(enumerate(paths, 1)) for arm, paths in folders.items()}
    for arm, own in seeds.items():
        if len(set(own)) < len(own):
            raise UserError(
                f"arm {arm!r} has two runs of one seed ({', '.join(map(str, own))}); every seed counts once"
            )
    return {arm: dict(zip(seeds[arm], paths, strict=True)) for arm, paths in folders.items()}


def recipe_seed(folder: Path) -> int | None:
    seed = load_run(folder).recipe.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None


def read_contrast(text: str) -> tuple[str, str]:
    first, minus, second = (part.strip() for part in text.partition(" - "))
    if not (first and minus and second):
        raise UserError(f"--contrast {text!r} names no two arms; write --contrast 'early - late'")
    return first, second
