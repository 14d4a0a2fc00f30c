"""Which pictures lie together in a mosaic: pools of training images, and the order in which mosaics take them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..shared.errors import UserError
from ..shared.seeding import draw
from ..short_answer import at_most
from ..sources import Level, Source


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture, the name that the answer gives it, and the group (data set and parent) of its siblings."""

    image: str
    name: str
    group: tuple[str, str] | None


@dataclass(frozen=True)
class Pool:
    """Tiles that may lie in the same mosaic."""

    name: str  # of the data set, or of all with + between
    levels: tuple[Level, ...]  # of the names, one a data set
    tiles: tuple[Tile, ...]

    @cached_property
    def words(self) -> tuple[str, str]:
        """What one name and several are called; data sets that differ in it have categories."""
        found = {(level.rank, level.plural) for level in self.levels}
        return found.pop() if len(found) == 1 else ("category", "categories")

    @cached_property
    def level(self) -> str:
        return "+".join(dict.fromkeys(level.name for level in self.levels))


def pool_of(sources: tuple[Source, ...], options) -> Pool:
    """All training images of the data sets, as tiles. UserError when they have no names or siblings as wanted."""
    tiles: list[Tile] = []
    groups: dict[tuple[str, str] | None, tuple[str, str] | None] = {}
    levels = tuple(source.level(options.level) for source in sources)
    for source, level in zip(sources, levels, strict=True):
        if source.multi_label and level is source.finest and options.answer == "reading_order":
            raise UserError(
                f"pictures of {source.name} bear several labels, which a list of tiles cannot keep apart; "
                f"write --answer position"
            )
        place = source.levels.index(level)
        if options.neighbours == "sibling" and place == 0:
            raise UserError(
                f"neighbours is sibling, but level {level.name} of {source.name} has no parents; write random"
            )
        parent = source.levels[place - 1] if place else None
        for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
            group = (source.name, source.label(row, parent)) if parent else None
            # Millions of tiles share the few groups there are.
            tiles.append(Tile(row.image, source.label(row, level), groups.setdefault(group, group)))
    return Pool("+".join(source.name for source in sources), levels, tuple(tiles))


def arranged(pool: Pool, options, turn: int) -> list[Tile]:
    """The tiles in the order in which mosaics take them, drawn anew for each turn through all of them.

    Siblings: group after group, so that a mosaic holds as few of them as possible.
    """
    rng = draw(options.seed, "mosaic", "arrange", pool.name, turn)
    shuffled = [pool.tiles[i] for i in rng.permutation(len(pool.tiles))]
    if options.neighbours == "random":
        return shuffled
    groups = list(dict.fromkeys(tile.group for tile in pool.tiles))
    rank = dict(zip((groups[i] for i in rng.permutation(len(groups))), range(len(groups)), strict=True))
    return sorted(shuffled, key=lambda tile: rank[tile.group])


def mosaics_in(pool: Pool, options) -> int:
    """How many mosaics are made: as many as asked for, or as use every image once."""
    return options.rows or -(-len(pool.tiles) // options.grid**2)


def mosaics_of(pool: Pool, options) -> Iterator[list[Tile]]:
    """The tiles of each mosaic. The last mosaic of a turn is filled up from the turn's beginning."""
    size = options.grid**2
    if len(pool.tiles) < size:
        raise UserError(
            f"a {options.grid} x {options.grid} mosaic needs {size} images; there are {len(pool.tiles)} of {pool.name}"
        )
    wanted = mosaics_in(pool, options)
    made = turn = 0
    while made < wanted:
        line = arranged(pool, options, turn)
        for start in range(0, len(line), size):
            if made == wanted:
                return
            taken = line[start : start + size]
            yield taken + line[: size - len(taken)]
            made += 1
        turn += 1
