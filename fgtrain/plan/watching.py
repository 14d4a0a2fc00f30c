"""What a stage that is watched while it trains comes to: how often it is looked at. Pure."""

from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .schema import StagePlan, WatchPlan


def watch_plan(recipe: Recipe, name: str, steps: int | None) -> WatchPlan | None:
    """None where nobody looks. UserError where the stage would end before the first look."""
    stage, every = recipe.stages[name], recipe.evaluation.every_steps
    if not stage.watched or every is None:
        return None
    looks = None if steps is None else (steps - 1) // every
    if looks == 0:
        word = "stop_when" if stage.stop_when is not None else "keep_best"
        raise UserError(
            f"stages.{name}.{word} looks every {every:,} steps (evaluation.every_steps), but the stage has {steps:,}: "
            f"it would never look. Write evaluation.every_steps={max(1, steps // 5)} or less"
        )
    limit = stage.stop_when.forgetting if stage.stop_when is not None else None
    return WatchPlan(every_steps=every, looks=looks, limit=limit, best=stage.keep_best is not None)


def watch_note(stage: StagePlan) -> str:
    """What a plan says of it; "" where nobody looks."""
    if (watch := stage.watch) is None:
        return ""
    said = []
    times = "an unknown number of times" if watch.looks is None else f"{watch.looks:,} times"
    if watch.limit is not None:
        said.append(
            f"Stage {stage.name} stops early where more than {watch.limit:g} points of general skill are forgotten for "
            f"certain: looked at {times}, every {watch.every_steps:,} steps, 5 % risk of a false alarm over all looks. "
            f"Steps, samples and hours are those of a stage that does not stop"
        )
    if watch.best:
        said.append(
            f"Stage {stage.name} keeps its best checkpoint beside its last: compared {times}, every "
            f"{watch.every_steps:,} steps, and at its end"
        )
    return ". ".join(said)
