"""What a run came to without a number for it, told in the end: silence would be taken for nothing forgotten."""

from collections.abc import Iterator

from fgtrain.plan.checkpoints import features_at
from fgtrain.recipe import Recipe

from .evaluations import asked
from .held_out import shown_all_the_same


def unmeasured_lines(recipe: Recipe) -> Iterator[str]:
    """Lines for the log. UserError: scores.json is not one of this program."""
    from evaluation.ledger import load_run, unmeasured  # brings numpy along, which those that only look need not

    if not asked(recipe) and features_at(recipe):
        yield f"{recipe.name}: nothing was asked, as evaluation.tasks is empty: the report shows features alone"
    elif not asked(recipe):
        what = "tasks" if not recipe.evaluation.tasks else "at"
        yield f"{recipe.name}: nothing was scored, as evaluation.{what} is empty: no scores, no report"
    elif (recipe.run_folder / "scores.json").is_file():
        for measure, why in unmeasured(load_run(recipe.run_folder)).items():
            yield f"{recipe.name}: {measure}: {why}"
    yield from shown_all_the_same(recipe)
