"""What a recipe will have no number for: said before it is trained, as a skill that nobody asks about is not kept."""

from collections.abc import Iterator, Mapping

from evaluation.tasks.task_files import all_specs, could_select
from fgtrain.recipe import Recipe

from .evaluation import Asked

WHAT = {"general": "Forgetting", "fine_grained": "The fine-grained skill"}
OTHER = {"general": "a general skill", "fine_grained": "a fine-grained one"}


def unmeasured(recipe: Recipe, asked: Mapping[str, Asked]) -> Iterator[str]:
    """Sentences. `asked`: counted entries of `evaluation.tasks`; of others their task files tell."""
    evaluation = recipe.evaluation
    if not evaluation.tasks:
        yield "Nothing is scored: evaluation.tasks is empty, so there will be no scores and no report"
        return
    if not evaluation.at:
        yield "No checkpoint is scored in full: evaluation.at is empty, so there will be no scores and no report"
    if len(evaluation.at) == 1:
        yield (
            f"Neither gain nor forgetting is measured: only {evaluation.at[0]} is scored in full, and both are the "
            f"difference of two checkpoints. Add one to evaluation.at"
        )
    groups = {group for name in evaluation.tasks for group in groups_of(recipe, name, asked)}
    for group, what in WHAT.items():
        if group not in groups:
            yield (
                f"{what} is not measured: no entry of evaluation.tasks asks for {OTHER[group]}. Add one that does, or "
                f"say of one that it does: evaluation.groups: {{{evaluation.tasks[0]}: {group}}}"
            )


def groups_of(recipe: Recipe, name: str, asked: Mapping[str, Asked]) -> set[str]:
    """The groups of the tasks that an entry means, as far as it can be known."""
    chosen = recipe.evaluation.groups
    for selector, group in reversed(chosen.items()):
        if name == selector or name.startswith(f"{selector}/"):
            return {group}
    specs = [spec for spec in all_specs().values() if spec.reader != "text" and could_select(name, spec)]
    found = set(asked[name].groups) if name in asked and asked[name].groups else {spec.group for spec in specs}
    within = {group for selector, group in chosen.items() if any(could_select(selector, spec) for spec in specs)}
    return found | within
