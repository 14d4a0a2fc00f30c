"""Which wrong name is written on a picture: one that the model might believe."""

from data_builders.shared.errors import UserError
from data_builders.shared.seeding import draw

from ..shared.texts import normalise
from ..tasks.task import Item, Task
from .typography import MisleadingText

KINDS = ("choice", "short_answer", "open")


def misleading_texts(task: Task, seed: int = 0) -> dict[int | str, MisleadingText]:
    """Question id -> the change of its picture: another option where the question lists some (FG-BMK's are siblings),
    else another category of the task, one of those that share the most words with the right one (its genus, its maker)
    first. Drawn at (seed, picture, its name). UserError where no question names a category.
    """
    if task.kind not in KINDS:
        raise UserError(
            f"task {task.name}: misleading_text writes another category's name on the picture, and questions of the "
            f"kind {task.kind} do not say what it shows. It is for {', '.join(KINDS)}: write fgbmk/*/*/choice"
        )
    known = sorted({name_of(task, item) for item in task.items})
    if len(known) < 2:
        raise UserError(f"task {task.name}: misleading_text needs another category's name, and all pictures show one")
    found = {}
    for item in task.items:
        own = name_of(task, item)
        others = [name for name in item.options or known if normalise(name) != normalise(own)]
        if not others:
            raise UserError(f"task {task.name}, question {item.question_id!r}: no other name to write on its picture")
        near = others if item.options else nearest(own, others)
        drawn = draw(seed, "misleading text", item.image, own).permutation(len(near))
        found[item.question_id] = MisleadingText(near[int(drawn[0])].replace("_", " "))
    return found


def name_of(task: Task, item: Item) -> str:
    """What the picture shows, as the question knows it."""
    if task.kind == "open":
        return item.category
    return item.gold if isinstance(item.gold, str) else item.gold[0]


def nearest(own: str, others: list[str]) -> list[str]:
    """Those that share the most words with it; all where none shares any."""
    words = set(normalise(own).split())
    shared = [len(words & set(normalise(other).split())) for other in others]
    return [other for other, count in zip(others, shared, strict=True) if count == max(shared)]
