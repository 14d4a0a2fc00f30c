"""The taxonomy at hand for a task whose answers are names: from files that say it, never guessed.

Looked for, in this order, in the data folder that holds FG-BMK/ or FROW/:
1. taxonomy/<dataset>.csv: category,level,level,...[,aliases], from fine to coarse;
2. the data set itself, beside the benchmark, as downloaded;
3. FG-BMK's own question files: what a picture is at each level that it is asked about.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from data_builders.benchmark_images import FOLDERS, folders_beside
from data_builders.fgbmk_layout import DATASETS
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.sources import known_sources

from ..judging.taxonomy import Taxonomy, key_of, read_taxonomy, taxonomy_of
from .question_files import quoted_options
from .task import Task
from .task_files import spec_of

NAMED_KINDS = ("short_answer", "open")  # of tasks whose answers are names, or hold one
SOURCES = {dataset: source for source, dataset in DATASETS.items()} | {"dog": "dogs"}
# from coarse to fine, for levels that have equally many labels
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
TAXONOMY_FOLDER = "taxonomy"


class NoTaxonomy(Exception):
    """Why there is none, and what file would give it."""


def has_names(task: Task) -> bool:
    return task.kind in NAMED_KINDS


def taxonomy_for(task: Task, given: Taxonomy | None = None) -> Taxonomy:
    """Of the task's level: the one `given`, else what is at hand. NoTaxonomy when nothing is.

    UserError when the one given does not know the task's categories.
    """
    if given is not None:
        found = at_level(given, task)
        found.check(gold_names(task))
        return found
    if task.source is None:
        raise NoTaxonomy("give --taxonomy FILE or SOURCE=FOLDER, or the question file (--questions)")
    reasons = []
    dataset = dataset_of(task)
    for one in at_hand(task.source, dataset):
        if isinstance(one, str):
            reasons.append(one)
            continue
        try:
            found = at_level(one, task)
            found.check(gold_names(task))
            return found
        except UserError as error:
            reasons.append(str(error))
    file = data_folder(task.source) / TAXONOMY_FOLDER / f"{dataset}.csv"
    wanted = f"write {file} (category,level,...[,aliases]), or put the data set beside the benchmark"
    raise NoTaxonomy("; ".join([*reasons, wanted]))


def dataset_of(task: Task) -> str:
    return spec_of(task.name)[1]["dataset"]


def gold_names(task: Task) -> list[str]:
    return [item.category if task.kind == "open" else str(item.gold) for item in task.items]


def at_level(taxonomy: Taxonomy, task: Task) -> Taxonomy:
    """Of the level that the task asks about; FROW asks about the finest."""
    level = spec_of(task.name)[1]["level"] if task.kind != "open" else taxonomy.levels[0]
    # a file may call its finest level "category"
    if level not in taxonomy.levels and task.items and not taxonomy.missing(gold_names(task)):
        return taxonomy
    return taxonomy.at(level)


def data_folder(path: Path) -> Path:
    """The folder that holds FG-BMK/ or FROW/ with this question file; else the file's own."""
    return next((one.parent for one in path.parents if one.name in ("FG-BMK", "FROW")), path.parent)


@lru_cache(16)
def at_hand(path: Path, dataset: str) -> tuple[Taxonomy | str, ...]:
    """The taxonomies that a question file's data folder has, best first; a text where one cannot be read."""
    data = data_folder(path)
    found: list[Taxonomy | str] = []
    if (file := data / TAXONOMY_FOLDER / f"{dataset}.csv").is_file():
        return (read_taxonomy(str(file)),)  # somebody's own word: a fault in it is said, nothing is put in its place
    source = SOURCES.get(dataset, dataset)
    for folder in folders_beside(data, dataset) if source in known_sources() else ():
        try:
            found.append(read_taxonomy(f"{source}={data / folder}"))
        except UserError as error:
            found.append(str(error))
    if "FG-BMK" in [one.name for one in path.parents]:
        try:
            found.append(of_question_files(path.parents[1]))
        except NoTaxonomy as error:
            found.append(str(error))
    elif not found:
        found.append(f"no folder of the data set ({' or '.join(FOLDERS.get(dataset, (dataset,)))}) in {data}")
    return tuple(found)


@dataclass
class Labels:
    """What a level's questions say: picture -> label, and names that only options have."""

    of: dict[str, str]
    options: dict[str, None]

    @property
    def labels(self) -> set[str]:
        return set(self.of.values())


def of_question_files(folder: Path) -> Taxonomy:
    """From FG-BMK's choice and short-answer questions about one data set, `folder`/<level>/*_question_*.jsonl.

    NoTaxonomy where they ask at one level only, or the levels are no tree.
    """
    levels: dict[str, Labels] = {}
    for path in sorted(folder.glob("*/*_question_*.jsonl")):
        if "choice" in path.stem or "short" in path.stem:
            read_labels(path, levels.setdefault(path.parent.name, Labels({}, {})))
    if len(levels) < 2:
        raise NoTaxonomy(f"{folder} asks at one level only")
    order = sorted(levels, key=lambda name: (-len(levels[name].labels), -rank(name), name))
    finest, coarser = levels[order[0]], [levels[name] for name in order[1:]]
    parents: dict[str, list[str | None]] = {label: [None] * len(coarser) for label in finest.of.values()}
    for image, label in finest.of.items():
        for place, level in enumerate(coarser):
            above = level.of.get(image, parents[label][place])
            if parents[label][place] not in (None, above):
                raise NoTaxonomy(f"{folder}: {label!r} lies under {parents[label][place]!r} and {above!r}")
            parents[label][place] = above
    if lacking := [label for label, above in parents.items() if None in above]:
        raise NoTaxonomy(f"{folder}: no question says what {lacking[0]!r} is at every level")
    for fine, coarse in pairwise(range(len(coarser))):
        check_nested(folder, parents, fine, coarse)
    whole = {label: tuple(map(str, above)) for label, above in parents.items()}
    return taxonomy_of(order, whole, f"the questions in {folder}", loose=finest.options)


def rank(level: str) -> int:
    return RANKS.index(level) if level in RANKS else -1


def read_labels(path: Path, into: Labels) -> None:
    for row in read_jsonl(path):
        image, gold = row.get("image"), row.get("class")
        if not isinstance(image, str) or not isinstance(gold, str):
            continue  # the reader of the task says where
        if into.of.setdefault(image, gold) != gold:
            raise NoTaxonomy(f"{path}: {image} is {gold!r} and {into.of[image]!r}")
        into.options |= dict.fromkeys(quoted_options(str(row.get("text", ""))))


def check_nested(folder: Path, parents: dict[str, list], fine: int, coarse: int) -> None:
    """Does each label of the finer of two levels lie under one of the coarser?"""
    above: dict[str, str] = {}
    for labels in parents.values():
        if above.setdefault(labels[fine], labels[coarse]) != labels[coarse]:
            raise NoTaxonomy(f"{folder}: {labels[fine]!r} lies under {above[labels[fine]]!r} and {labels[coarse]!r}")


def all_names(task: Task, rows: Iterable[dict], taxonomy: Taxonomy) -> list[str]:
    """Every category that an answer may name: of the taxonomy, the questions and the answers."""
    golds = gold_names(task) or [row["category"] if task.kind == "open" else str(row["gold"]) for row in rows]
    found = {key_of(one): one for one in (*taxonomy.loose, *taxonomy.names, *golds)}
    return list(found.values())
