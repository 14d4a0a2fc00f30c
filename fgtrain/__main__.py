"""python -m fgtrain RECIPE [RECIPE ...] [key=value ...] [--plan]

Trains and evaluates what a recipe says, or (--plan) prints every number of it and stops. Several recipes are done one
after the other, share their equal stages, and are compared in one report; with --plan, two are set side by side.
"""

import argparse
import os
import sys
from pathlib import Path

from fgtrain.errors import UserError, run_command
from fgtrain.recipe import Recipe, find_recipe, load_recipe


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("words", nargs="+", metavar="RECIPE | key=value", help="recipe files, then changes to all of them")
    top.add_argument("--plan", action="store_true", help="print the plan and stop; needs neither weights nor GPU")
    return top


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
    from fgtrain.model import model_facts
    from fgtrain.plan import compare_plans, data_facts, make_plan, print_comparison, print_plan
    from fgtrain.recipe import Model

    def facts_of(recipe: Recipe):
        try:
            model: Model = recipe.model_with_paths()
        except UserError:  # {data_root} is not given: the plan says unknown where the weights would tell
            model = recipe.model
        return model_facts(model, network=recipe.network)

    made = [make_plan(recipe, data_facts(recipe), facts_of(recipe)) for recipe in recipes]
    if len(recipes) != 2:
        for plan in made:
            print_plan(plan)
    else:
        print_comparison(compare_plans(recipes[0], made[0], recipes[1], made[1]))


def train(recipes: list[Recipe]) -> None:
    from evaluation.report import write_report
    from fgtrain.run import run_recipe
    from fgtrain.training.trainer import rank

    reports = [run_recipe(recipe) for recipe in recipes]
    if rank() != 0:
        return
    for report in reports:
        if report is not None:
            print(f"report: {report}")
    if len(recipes) > 1 and all(reports):
        together = Path(recipes[0].runs_root) / ("compared__" + "__".join(recipe.name for recipe in recipes) + ".html")
        write_report([recipe.run_folder for recipe in recipes], together)
        print(f"side by side: {together}")


def main(words: list[str]) -> None:
    arguments, unknown = parser().parse_known_args(words)
    if unknown:
        raise UserError(f"unknown option {unknown[0]}; there is --plan, and key=value changes the recipe")
    recipes = load_recipes(arguments.words)
    if not any(recipe.network for recipe in recipes):
        # Read when the libraries are imported, so before that. Their bars would only tell of local files.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if arguments.plan:
        return plans(recipes)
    from fgtrain.training.trainer import StageInterruptedError, rank

    try:
        train(recipes)
    except StageInterruptedError as stopped:
        if rank() == 0:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
