"""The names that a run's model was shown: the taxonomies of the data sets that its training sets are made of.

runs/<name>/names.json, left when the run is prepared, so that a checkpoint can be asked for names wherever its data is
by then. A data set whose pictures bear several labels at once (SkinCon) has no list: of its names more than one is
right.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from data_builders.options import split_pairs
from data_builders.question_maker import question_words
from data_builders.shared.files import read_json, write_json
from data_builders.sources import Source, known_sources, load_source
from data_builders.templates import Words, short_answer
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

NAMES = "names.json"


@dataclass(frozen=True)
class NameList:
    """`question`: as training asks for the finest names. `levels`: coarse to fine. `categories`: each one's label at
    every level."""

    source: str
    question: str
    levels: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class RunNames:
    """`unread`: data sets that gave no list -> why."""

    lists: tuple[NameList, ...]
    unread: dict[str, str]


def names_of(recipe: Recipe) -> RunNames:
    """A list for every data set that training sets of the recipe are made of.

    One that cannot be read any more is told of: training goes by what was built of it, which is there.
    """
    lists, unread = {}, {}
    for name, root in dict.fromkeys(_sources(recipe)):
        try:
            source = load_source(name, root, look_for_images=False)
        except UserError as error:
            unread[name] = str(error)
            continue
        if source.multi_label:
            unread[name] = "its pictures bear several names at once"
        else:
            lists[name] = list_of(source)
    return RunNames(tuple(lists.values()), unread)


def _sources(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """(source, its folder) of each data set."""
    for name in recipe.mixed_data:
        data_set = recipe.data[name]
        which = split_pairs(recipe.filled(data_set.options, f"data.{name}.options").get("source"))
        if data_set.root is None or not isinstance(which, str | dict):
            continue
        root = recipe.path(data_set.root, f"data.{name}.root")
        for source, folder in (which if isinstance(which, dict) else {which: "."}).items():
            if source in known_sources():
                yield source, root / folder


def list_of(source: Source) -> NameList:
    rows = {row.category: row for row in source.images}
    words = {question_words(source, row, source.finest) for row in rows.values()}
    if len(words) > 1:  # a question that says which of several kinds of thing it is would say part of the answer
        one = next(iter(words))
        words = {Words("object", one.rank, one.ranks, one.cut_out)}
    return NameList(
        source.name,
        short_answer(0, words.pop()),
        tuple(level.name for level in source.levels),
        tuple(tuple(source.label(row, level) for level in source.levels) for row in rows.values()),
    )


def write_names(recipe: Recipe) -> None:
    write_json(recipe.run_folder / NAMES, asdict(names_of(recipe)))


def read_names(run: Path) -> RunNames:
    """What the run has kept. UserError where it is none of this program's."""
    path = run / NAMES
    try:
        kept = read_json(path)
        lists = [
            NameList(one["source"], one["question"], tuple(one["levels"]), tuple(map(tuple, one["categories"])))
            for one in kept["lists"]
        ]
        return RunNames(tuple(lists), dict(kept["unread"]))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} holds no lists of names. Remove it; they are read from the data sets then") from None
