"""On which side each picture of a task stands: its category is seen in training, or unseen, or cannot be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json

from ..tasks.task import CONDITION, Task
from .held_out_names import HeldOutNames
from .picture_categories import CATEGORY, Pictures, pictures_of
from .source_names import add_source_names

FILE = "held_out.json"  # of a run, beside scores.json
FINEST = ("species", CATEGORY)  # what FG-BMK's folders call the finest level, whatever the data set does
SEEN, UNSEEN = "seen", "unseen"
SETS = (SEEN, UNSEEN, "names")  # of Sides


@dataclass(frozen=True)
class Sides:
    """Of one data set's pictures, as the questions call them."""

    seen: frozenset[str]
    unseen: frozenset[str]
    identity: str  # of the list by which they are placed
    names: frozenset[str] = frozenset()  # of it those that these pictures bear, as `same_name` spells them

    def of(self, picture: object) -> str | None:
        """seen, unseen, or None where the picture cannot be placed."""
        return UNSEEN if picture in self.unseen else SEEN if picture in self.seen else None


def sides_of_tasks(tasks: Sequence[Task], held_out: HeldOutNames) -> dict[str, Sides]:
    """Fine-grained task -> its sides, without those of whose data sets nothing is held out.

    UserError for names of a file that no task knows, with those that are near.
    """
    pictures = {task.name: pictures_of(task) for task in tasks if asks_for_categories(task)}
    if not pictures:
        raise UserError("no task asks about fine-grained categories, so none can be held out; leave the list out")
    held_out.check(name for one in pictures.values() for name in one.known)
    made = {}
    for name, one in pictures.items():
        made[name] = placed(one, held_out)
        if held_out.sets and len(made[name].seen) + len(made[name].unseen) < len(one.names):
            add_source_names(one, held_out.sets)
            made[name] = placed(one, held_out)
    return {name: one for name, one in made.items() if one.unseen}


def asks_for_categories(task: Task) -> bool:
    """Lists of names do, though they stand beside the means; what is asked about perturbed pictures is not split."""
    listed = task.kind == "names" and CONDITION not in task.name
    return listed or (task.group == "fine_grained" and not task.is_text)


def placed(pictures: Pictures, held_out: HeldOutNames) -> Sides:
    """A picture that bears a held-out name, at whatever level, is unseen; one all of whose names that could be held out
    are known, and are not, is seen."""
    unseen = {
        picture
        for picture, levels in pictures.names.items()
        if any(names & held_out.names for names in levels.values())
    }
    levels = pictures.levels
    if held_out.finest:
        finest = [level for level in levels if level in held_out.finest or level in FINEST]
        told = {picture for picture, own in pictures.names.items() if any(level in own for level in finest)}
    else:
        needed = [level for level in levels if pictures.at(level) & held_out.names]
        told = {picture for picture, own in pictures.names.items() if needed and all(level in own for level in needed)}
    seen = told - unseen
    named = set().union(*(pictures.at(level) for level in levels)) & held_out.names
    return Sides(frozenset(seen), frozenset(unseen), held_out.identity, frozenset(named))


def write_sides(folder: Path, sides: Mapping[str, Sides]) -> None:
    """Into <folder>/held_out.json; tasks about the same pictures share them there."""
    kinds = list(dict.fromkeys(sides.values()))
    write_json(
        Path(folder) / FILE,
        {
            "tasks": {task: kinds.index(one) for task, one in sides.items()},
            "pictures": [
                {key: sorted(getattr(one, key)) for key in SETS} | {"identity": one.identity} for one in kinds
            ],
        },
    )


def read_sides(folder: Path) -> dict[str, Sides]:
    """What `write_sides` wrote; {} where nothing is held out. UserError: the file is not of this program."""
    path = Path(folder) / FILE
    if not path.is_file():
        return {}
    content = read_json(path)
    try:
        kinds = [
            Sides(identity=str(one["identity"]), **{key: frozenset(one[key]) for key in SETS})
            for one in content["pictures"]
        ]
        return {task: kinds[place] for task, place in content["tasks"].items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"{path} is not what this program writes (at {error}); delete it and score again") from None


def with_sides(known: Mapping[str, Sides], more: Mapping[str, Sides], folder: Path) -> dict[str, Sides]:
    """What a folder's scores are split by, after an earlier command and this one. UserError: by different lists."""
    lists = {one.identity for one in (*known.values(), *more.values())}
    if len(lists) > 1:
        raise UserError(f"{folder} holds scores that are split by another list of held-out categories; choose another")
    return {**known, **more}
