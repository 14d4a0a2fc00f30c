"""A fixed part of a task's items, for the curves during training."""

from data_builders.shared.seeding import address_hash

from ..tasks.task import Item, Task


def subset_of(task: Task, size: int | None) -> tuple[Item, ...]:
    """A fixed part of the task's items, every category in its proportion; the same whatever the order of the file.

    Categories are taken in turn, largest remainder first, and within one the items with the smallest addressed hash.
    Perturbed tasks have the same part as the plain one.
    """
    if size is None or size >= len(task.items):
        return task.items
    by_category: dict[str, list[Item]] = {}
    for item in sorted(task.items, key=lambda one: address_hash("subset", task.plain_name, one.question_id)):
        by_category.setdefault(stratum(item), []).append(item)
    # rank r of a category of n items stands at (r + a half) / n of it: the `size` smallest keep the proportions
    ranked = [
        ((rank + 0.5) / len(items), address_hash("subset", task.plain_name, category), item.question_id)
        for category, items in by_category.items()
        for rank, item in enumerate(items)
    ]
    ranked.sort(key=lambda one: one[:2])
    chosen = {question_id for _, _, question_id in ranked[:size]}
    return tuple(item for item in task.items if item.question_id in chosen)


def stratum(item: Item) -> str:
    """The category; FG-BMK's "generic" says nothing, so the gold stands in for it."""
    return item.category if item.category != "generic" else str(item.gold).lower()


def with_items(task: Task, items: tuple[Item, ...]) -> Task:
    return Task(**{**task.__dict__, "items": items})
