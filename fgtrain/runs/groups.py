"""Of which skill each task asks, as the recipe has it: what is kept in the store says it as the task files do."""

from collections.abc import Iterable, Iterator

from evaluation.tasks.task import Task
from evaluation.tasks.task_files import group_of
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .forgetting import FINE_GRAINED, GENERAL


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


def tasks_of_group(recipe: Recipe, tasks: Iterable[Task], group: str) -> list[Task]:
    """Those of the tasks that ask of this skill, as the recipe groups them; a text has no points to lose."""
    groups = recipe.evaluation.groups
    return [task for task in tasks if not task.is_text and group_of(task.name, task.group, groups) == group]


def refuse_unmeasured(recipe: Recipe, tasks: Iterable[Task]) -> None:
    """UserError for what decides by points that no asked task can give: `stop_when`, `keep_best`, recovery."""
    tasks = list(tasks)
    there = {group: bool(tasks_of_group(recipe, tasks, group)) for group in (GENERAL, FINE_GRAINED)}
    for place, group, instead in _decided_by(recipe):
        if not there[group]:
            raise UserError(
                f"{place} is decided by {group.replace('_', '-')} tasks, and evaluation.tasks has none. Add one there, "
                f"say by evaluation.groups={{TASK: {group}}} which of them is one, or write {instead}"
            )


def _decided_by(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """(what decides, by tasks of which group, what to write in its place)"""
    for name, stage in recipe.training_stages.items():
        key, best = f"stages.{name}", stage.keep_best
        if stage.stop_when is not None:
            yield f"{key}.stop_when", GENERAL, f"{key}.stop_when=null"
        if best is not None and best.forgetting:
            yield f"{key}.keep_best.forgetting", GENERAL, f"{key}.keep_best.forgetting=0"
        if best is not None and best.gain:
            yield f"{key}.keep_best.gain", FINE_GRAINED, f"{key}.keep_best.gain=0"
    if recipe.evaluation.recovery is not None:
        yield "evaluation.recovery", GENERAL, "evaluation.recovery=null"


def refuse_idle_groups(recipe: Recipe, tasks: Iterable[str]) -> None:
    """UserError for an entry of evaluation.groups that means none of the asked tasks. `tasks`: their names."""
    tasks = list(tasks)
    for selector in recipe.evaluation.groups:
        if not any(group_of(name, "", {selector: "named"}) for name in tasks):
            names = ", ".join(tasks[:12]) or "none"
            raise UserError(
                f"{recipe.name}: evaluation.groups names {selector}, which is no task of it; tasks: {names}"
            )
