"""What the pictures of question files show, level by level, as far as the files of their data set tell.

FG-BMK asks about one picture in several files: the species is the answer of one, and not to be seen in a yes or no of
another. So all files of a data set that lie together are read. FROW's rows, and those of other tasks, name a category
themselves.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from data_builders.fgbmk_layout import ATTRIBUTES, HIERARCHY, KNOWLEDGE_BIAS_FOLDERS
from data_builders.shared.files import read_jsonl
from data_builders.sources import same_name

from ..tasks.question_files import quoted_options
from ..tasks.task import Item, Task

CATEGORY = "the row's own category"  # the level of such names, which no folder is called
ANY = ("", "generic", "text")  # a row's category that is none
NUMBERED = re.compile(r"^\S*?\d+\s*[-._ ]+(?=\D)")  # 001.Black_footed_Albatross, n02085620-Chihuahua

Names = dict[str, dict[str, set[str]]]  # picture -> level -> names, as `same_name` spells them


@dataclass
class Pictures:
    """Of one data set. `known` are all names that its questions hold, wrong options too, as they are spelt there."""

    names: Names = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def add(self, picture: str | None, level: str, name: str) -> None:
        self.known.add(name)
        if picture is not None:
            self.names.setdefault(picture, {}).setdefault(level, set()).add(same_name(name))

    def at(self, level: str) -> set[str]:
        """All names that pictures bear at that level."""
        return set().union(*(levels.get(level, ()) for levels in self.names.values()))

    @property
    def levels(self) -> list[str]:
        """From coarse to fine: the finest has most names."""
        found = dict.fromkeys(level for levels in self.names.values() for level in levels)
        return sorted(found, key=lambda level: len(self.at(level)))


def pictures_of(task: Task) -> Pictures:
    """Of the task's data set. UserError for question files that are broken."""
    place = fgbmk_place(task.source) if task.source is not None else None
    found = fgbmk_pictures(*place) if place is not None else Pictures()
    if place is not None:
        for item in task.items:
            found.names.setdefault(str(item.image), {})
        return found
    for item in task.items:
        add_category(found, item)
    return found


def add_category(found: Pictures, item: Item) -> None:
    if item.category not in ANY:
        found.add(item.image, CATEGORY, item.category)
    elif item.image is not None:
        found.names.setdefault(item.image, {})


def fgbmk_place(file: Path) -> tuple[Path, str] | None:
    """(the folder of FG-BMK's tracks, the data set); None for a file that lies elsewhere."""
    for folder in file.parents:
        if folder.name == ATTRIBUTES and folder == file.parent:
            return folder.parent, file.stem.removesuffix("_attribute_questions")
        if folder.name == HIERARCHY and len(file.relative_to(folder).parts) == 3:
            return folder.parent, file.parents[1].name
        if folder.name in KNOWLEDGE_BIAS_FOLDERS and len(file.relative_to(folder).parts) == 2:
            return folder.parent, file.parent.name
    return None


def fgbmk_pictures(top: Path, dataset: str) -> Pictures:
    files = sorted(top.glob(f"{HIERARCHY}/{dataset}/*/*_question_*.jsonl"))
    bias = [file for name in KNOWLEDGE_BIAS_FOLDERS for file in sorted(top.glob(f"{name}/{dataset}/questions_*.jsonl"))]
    stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in (*files, *bias))
    found = read_fgbmk(stamps)
    return Pictures({picture: dict(levels) for picture, levels in found.names.items()}, set(found.known))


@lru_cache(maxsize=32)
def read_fgbmk(stamps: tuple[tuple[Path, int, int], ...]) -> Pictures:
    """`stamps`: files with their size and time, so that a file that is written anew is read again."""
    found, bias = Pictures(), []
    for file, *_ in stamps:
        rows = list(read_jsonl(file))
        if file.parents[1].name in KNOWLEDGE_BIAS_FOLDERS:
            bias += rows
        elif "choice" in file.stem or "short" in file.stem:
            level = file.parent.name
            for row in rows:
                options = quoted_options(row["text"])
                found.known.update(options)
                found.add(row["image"], level, named(row["class"], options))
        else:
            add_labels(found, file.parent.name, rows)
    names = {same_name(str(row.get("category"))) for row in bias}
    level = max(found.levels, key=lambda one: len(found.at(one) & names), default=CATEGORY)
    add_labels(found, level if found.at(level) & names else CATEGORY, bias)
    complete(found)
    return found


def named(gold: str, options: tuple[str, ...]) -> str:
    """The option that a letter means."""
    place = ord(gold) - ord("A") if len(gold) == 1 else -1
    return options[place] if gold not in options and 0 <= place < len(options) else gold


def add_labels(found: Pictures, level: str, rows: Iterable[dict]) -> None:
    """True/false rows whose category is the true label; that of others is the same in all rows."""
    rows = list(rows)
    told = {row.get("category") for row in rows} - set(ANY)
    for row in rows:
        if len(told) > 1 and row.get("category") in told:
            found.add(row["image"], level, row["category"])
        else:
            found.names.setdefault(row["image"], {})


def complete(found: Pictures) -> None:
    """Pictures whose finest name no answer tells have that of their folder; coarser names are those of other pictures
    of the same finest name."""
    if not found.levels:
        return
    *_, finest = found.levels
    names = found.at(finest)
    above: dict[str, dict[str, set[str]]] = {}
    for picture, levels in found.names.items():
        of_folder = next((name for name in folders(picture) if name in names), None)
        if finest not in levels and of_folder is not None:
            levels[finest] = {of_folder}
        if len(own := levels.get(finest, ())) == 1:
            above.setdefault(next(iter(own)), {}).update(levels)
    for levels in found.names.values():
        if len(own := levels.get(finest, ())) == 1:
            for level, told in above[next(iter(own))].items():
                levels.setdefault(level, told)


def folders(picture: str) -> Iterator[str]:
    """The names of a picture's folders, without the numbers that lead."""
    for part in PurePosixPath(picture).parts[:-1]:
        yield same_name(part)
        yield same_name(NUMBERED.sub("", part))
