"""`short_answer`: one row per training image, a question drawn from the wordings, the category as the answer."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from .builder import Builder, write_source_rows
from .chance import address_hash, draw
from .options import TrainingOptions
from .records import conversation
from .sources import LabelledImage, Source
from .templates import MORE_SHORT_ANSWER, SHORT_ANSWER, Words, short_answer

VERSION = 1


class ShortAnswerOptions(TrainingOptions):
    level: str | None = Field(None, description="level of the answer (species, genus, ...); default the finest")
    fgbmk_wordings_only: bool = Field(False, description="leave out the wordings that FG-BMK does not have")


def row_id(prefix: str, image: str) -> str:
    """A row's id from its image path without suffix: stable when rows are added or left out."""
    return f"{prefix}/{image.rsplit('.', 1)[0]}"


def at_most(rows: Iterable[LabelledImage], limit: int | None, seed: int) -> list[LabelledImage]:
    """At most `limit` images of each category, drawn by address, in the order they came."""
    rows = list(rows)
    if limit is None:
        return rows
    groups: dict[str, list[LabelledImage]] = {}
    for row in rows:
        groups.setdefault(row.category, []).append(row)
    kept = set()
    for group in groups.values():
        ranked = sorted(group, key=lambda row: address_hash(seed, "max_images_per_class", row.image))
        kept.update(row.image for row in ranked[:limit])
    return [row for row in rows if row.image in kept]


def rows_of(source: Source, options: ShortAnswerOptions) -> Iterable[dict]:
    level = source.level(options.level)
    wordings = len(SHORT_ANSWER) + (0 if options.fgbmk_wordings_only else len(MORE_SHORT_ANSWER))
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        which = int(draw(options.seed, "short_answer", level.name, row.image).integers(wordings))
        words = Words(source.meta_word(row, level), level.rank, level.plural)
        aliases = source.aliases.get(row.category, ()) if level is source.finest else ()
        yield {
            "id": row_id(f"{source.name}/short_answer/{level.name}", row.image),
            "image": row.image,
            "conversations": conversation(short_answer(which, words), source.label(row, level)),
            "source": source.name,
            "kind": "short_answer",
            "category": row.category,
            **({"aliases": list(aliases)} if aliases else {}),
        }


def build(root: Path, out: Path, options: ShortAnswerOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="short_answer", version=VERSION, sources=sources, options=options)


BUILDER = Builder(
    "training rows: one question per image, its category as the answer", ShortAnswerOptions, VERSION, build
)
