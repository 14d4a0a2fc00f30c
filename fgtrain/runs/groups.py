"""Of which skill each task asks, as the recipe has it: what is kept in the store says it as the task files do."""

from collections.abc import Iterable

from evaluation.tasks.task_files import group_of
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe


def rows_in_groups(recipe: Recipe, rows: Iterable[dict]) -> list[dict]:
    """Evaluation rows of metrics.jsonl with their tasks' groups; others as they are."""
    groups = recipe.evaluation.groups
    rows = list(rows)
    if not groups:
        return rows
    return [row | {"group": group_of(row["task"], row["group"], groups)} if "task" in row else row for row in rows]


def evaluation_in_groups(recipe: Recipe, found: dict) -> dict:
    """A kept evaluation with its tasks' groups."""
    groups = recipe.evaluation.groups
    if not groups:
        return found
    tasks = {name: one | {"group": group_of(name, one["group"], groups)} for name, one in found["tasks"].items()}
    return found | {"tasks": tasks, "subset": rows_in_groups(recipe, found["subset"])}


def refuse_idle_groups(recipe: Recipe, tasks: Iterable[str]) -> None:
    """UserError for an entry of evaluation.groups that means none of the asked tasks. `tasks`: their names."""
    tasks = list(tasks)
    for selector in recipe.evaluation.groups:
        if not any(group_of(name, "", {selector: "named"}) for name in tasks):
            names = ", ".join(tasks[:12]) or "none"
            raise UserError(
                f"{recipe.name}: evaluation.groups names {selector}, which is no task of it; tasks: {names}"
            )
