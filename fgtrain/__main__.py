"""python -m fgtrain RECIPE [RECIPE ...] [key=value ...] [--plan] [--submit]

Trains and evaluates what a recipe says, or (--plan) prints every number of it and stops. Several recipes are done one
after the other, share their equal stages, and are compared in one report; with --plan, two are set side by side.

One part of a run at a time, as the jobs of a cluster do it: --prepare, --only STAGE, --evaluate CHECKPOINT, --report.
"""

import argparse
import os
import sys
from pathlib import Path

from fgtrain.errors import SharedUserError, TrainingFailedError, UserError, run_command
from fgtrain.recipe import Recipe, find_recipe, load_recipe
from fgtrain.recipe.problems import instead
from fgtrain.training.ranks import rank
from fgtrain.training.stop_signals import StageInterruptedError, Stopped, stoppable, tell_script

STOPPED = 130  # exit status of a run that was asked to stop; its state is saved


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("words", nargs="+", metavar="RECIPE | key=value", help="recipe files, then changes to all of them")
    top.add_argument("--plan", action="store_true", help="print the plan and stop; needs neither weights nor GPU")
    top.add_argument(
        "--submit", action="store_true", help="write Slurm scripts and submit them; with --plan, show them"
    )
    top.add_argument(
        "--cluster", metavar="FILE", help="the cluster's profile (default: $FGTRAIN_CLUSTER, then slurm/cluster.yaml)"
    )
    part = top.add_mutually_exclusive_group()
    part.add_argument("--prepare", action="store_true", help="build the data and check it, train nothing")
    part.add_argument("--only", metavar="STAGE", help="train this stage from the one before it, and ask nothing")
    part.add_argument("--evaluate", metavar="CHECKPOINT", help="ask this checkpoint (start, or a stage), train nothing")
    part.add_argument("--report", action="store_true", help="write the report of what is done and asked")
    return top


def refuse_what_does_not_go_together(arguments: argparse.Namespace) -> None:
    """UserError when an option would silently be without effect."""
    part = next((name for name in ("prepare", "only", "evaluate", "report") if getattr(arguments, name)), None)
    if part is not None and (arguments.plan or arguments.submit):
        other = "--submit" if arguments.submit else "--plan"
        raise UserError(f"--{part} and {other} do not go together: {other} is about the whole recipe. Leave one out")
    if arguments.cluster is not None and not arguments.submit:
        raise UserError("--cluster names a profile for --submit. Add --submit, or leave it out")


def load_recipes(words: list[str]) -> list[Recipe]:
    """The recipes that the words name, each with all overrides. UserError when two would share a run folder."""
    overrides = [word for word in words if "=" in word]
    files = [word for word in words if "=" not in word]
    if not files:
        raise UserError("no recipe is named; for example: python -m fgtrain recipes/mini/align_fg10.yaml")
    for file in files:
        find_recipe(file)
    recipes = [load_recipe(file, overrides) for file in files]
    names = [recipe.name for recipe in recipes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"{names.count(name)} of the recipes are named {name}, and each needs a run folder of its own"
            )
    return recipes


def plans(recipes: list[Recipe]) -> None:
    from fgtrain.plan import compare_plans, print_comparison, print_plan
    from fgtrain.run import planned

    made = [planned(recipe) for recipe in recipes]
    if len(recipes) != 2:
        for plan in made:
            print_plan(plan)
    else:
        print_comparison(compare_plans(recipes[0], made[0], recipes[1], made[1]))


def carry_out(recipes: list[Recipe], arguments: argparse.Namespace) -> None:
    """The whole of every recipe, or the part of it that the options name."""
    from fgtrain import run

    if arguments.prepare:
        for recipe in recipes:
            run.prepare(recipe)
    elif arguments.only is not None:
        for recipe in recipes:
            run.train_stage(recipe, arguments.only)
    elif arguments.evaluate is not None:
        for recipe in recipes:
            run.evaluate_checkpoint(recipe, arguments.evaluate)
    elif arguments.report:
        tell_reports(recipes, [run.report(recipe) for recipe in recipes])
    else:
        tell_reports(recipes, [run.run_recipe(recipe) for recipe in recipes])


def tell_reports(recipes: list[Recipe], reports: list[Path | None]) -> None:
    """Print where the reports lie; those of several recipes are put side by side as well."""
    from evaluation.report import write_report

    if rank() != 0:
        return
    for report in reports:
        if report is not None:
            print(f"report: {report}")
    if len(recipes) > 1 and all(reports):
        together = Path(recipes[0].runs_root) / ("compared__" + "__".join(recipe.name for recipe in recipes) + ".html")
        write_report([recipe.run_folder for recipe in recipes], together)
        print(f"side by side: {together}")


def leave_group() -> None:
    """End the threads that reach the other processes: left to the interpreter's end, they may abort it.

    For an end that all processes come to together; one that leaves alone might wait for the others.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def run_until_stopped(recipes: list[Recipe], arguments: argparse.Namespace) -> None:
    """Carry out; when a signal asks to stop, say so and exit with status 130."""
    try:
        with stoppable():  # before the large libraries are imported, which takes its time
            carry_out(recipes, arguments)
        leave_group()
    # No large library may be imported down here: it may have been stopped while it was imported.
    except Stopped as stop:
        leave_group()
        if rank() != 0:
            sys.exit(0)  # the first process speaks for all; srun would end it when another one fails before it
        said = str(stop) if isinstance(stop, StageInterruptedError) else f"stopped by {stop}; what was finished is kept"
        tell_script(said)
        print(f"{said}; the same command goes on from there", file=sys.stderr)
        sys.exit(STOPPED)
    except TrainingFailedError as failure:
        if failure.on_all_ranks:
            leave_group()
        if rank() == 0 or not failure.on_all_ranks:
            print(failure, file=sys.stderr)
        sys.exit(1)
    except SharedUserError:
        leave_group()
        if rank() != 0:
            sys.exit(0)  # as above
        raise


def main(words: list[str]) -> None:
    options = parser()
    arguments, unknown = options.parse_known_intermixed_args(words)  # changes may stand behind options, too
    if unknown:
        known = [option for action in options._actions for option in action.option_strings if option.startswith("--")]
        raise UserError(f"unknown option {unknown[0]}. {instead(unknown[0], known)} And key=value changes the recipe")
    recipes = load_recipes(arguments.words)
    if not any(recipe.network for recipe in recipes):
        # Read when the libraries are imported, so before that. Their bars would only tell of local files.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    refuse_what_does_not_go_together(arguments)
    if arguments.submit:
        from fgtrain.submit import show, submit

        return (show if arguments.plan else submit)(recipes, arguments.cluster)
    if arguments.plan:
        return plans(recipes)
    run_until_stopped(recipes, arguments)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
