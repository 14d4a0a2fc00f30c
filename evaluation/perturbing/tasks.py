"""Plain tasks -> the same tasks about perturbed pictures, as conditions of theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data_builders.shared.errors import UserError
from data_builders.shared.pictures import ChangedPicture, PictureChange

from ..tasks.task import BESIDE, CONDITION, Task
from ..tasks.task_files import selects, spec_of
from .misleading import misleading_texts
from .objects import grey_backgrounds
from .picture_changes import same_for_all


def perturbed_tasks(tasks: Sequence[Task], perturb: Mapping[str, Sequence[str]]) -> list[Task]:
    """The tasks that `perturb` (selector -> names of perturbations) asks for beside `tasks`, each once, of every task
    all conditions together.

    A selector means those of the tasks whose questions have pictures. UserError: it means none of them, a perturbation
    is unknown, or a picture lacks what it needs (a box, another name).
    """
    wanted: dict[str, dict[str, None]] = {}
    for selector, conditions in perturb.items():
        chosen = [one for one in tasks if has_pictures(one) and selects(selector, spec_of(one.name)[0], one.name)]
        if not chosen:
            names = ", ".join(one.name for one in tasks if has_pictures(one)) or "none"
            raise UserError(f"perturb names {selector}, which is no task with pictures of it; tasks: {names}")
        for task in chosen:
            wanted.setdefault(task.name, {}).update(dict.fromkeys(conditions))
    return [perturbed(task, condition) for task in tasks for condition in wanted.get(task.name, ())]


def has_pictures(task: Task) -> bool:
    return any(item.image_path is not None for item in task.items)


def perturbed(task: Task, condition: str) -> Task:
    """One condition of a task; questions without a picture are left out."""
    changes = changes_of(task, condition)
    items = tuple(
        replace(item, image_path=ChangedPicture(item.image_path, changes[item.question_id]))
        for item in task.items
        if item.image_path is not None
    )
    return replace(
        task,
        name=f"{task.name}{CONDITION}{condition}",
        title=f"{task.title}, {condition.replace('_', ' ')}",
        group=BESIDE,
        items=items,
    )


def changes_of(task: Task, condition: str) -> Mapping[int | str, PictureChange]:
    """Question id -> what is done to its picture."""
    if (change := same_for_all(condition)) is not None:
        return dict.fromkeys((item.question_id for item in task.items), change)
    return grey_backgrounds(task) if condition == "grey_background" else misleading_texts(task)
