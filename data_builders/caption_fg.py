"""`caption_fg`: alignment rows of matched granularity: "What is the object species?" "The object species is ...".

The paper aligns the same pictures on texts of two granularities: `--granularity fine` gives the rows of its Aligned-FG,
`coarse` and `mixed` (each picture fine or coarse, as web captions come) those to compare with. Only the name differs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from .builder import Builder
from .options import TrainingOptions
from .question_maker import plain
from .records import conversation
from .shared.errors import UserError
from .shared.seeding import Draws
from .short_answer import at_most, row_id
from .source_rows import write_source_rows
from .sources import LabelledImage, Level, Source
from .templates import OBJECT, OBJECT_ANSWER


class CaptionFgOptions(TrainingOptions):
    granularity: Literal["fine", "coarse", "mixed"] = Field(
        "fine",
        description="fine: the finest label; coarse: the coarsest, or the meta-class where there is one level only; "
        "mixed: half of each",
    )
    level: str | None = Field(None, description="the label's level (species, genus, ...), in place of granularity")


def named(source: Source, row: LabelledImage, options: CaptionFgOptions) -> tuple[str, str]:
    """("object species", "fish crow"): what is asked for, and its name."""
    if options.level is not None:
        level: Level | None = source.level(options.level)
    elif options.granularity == "fine" or (
        options.granularity == "mixed" and Draws(options.seed, "caption_fg", "mixed", row.image).below(2)
    ):
        level = source.finest
    else:
        level = source.levels[0] if len(source.levels) > 1 else None
    if level is None:
        return "object", f"{'an' if source.meta[0] in 'aeiou' else 'a'} {source.meta}"
    return f"object {level.rank}", source.label(row, level)


def rows_of(source: Source, options: CaptionFgOptions) -> Iterable[dict]:
    if options.granularity != "fine" and len(source.levels) == 1 and plain(source.meta) == "object":
        raise UserError(
            f"granularity is {options.granularity}, but {source.name} has one level of names and no meta-class; "
            "write fine, or give the classes a folder for each group"
        )
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        name, label = named(source, row, options)
        yield {
            "id": row_id(f"{source.name}/caption_fg", row.image),
            "image": row.image,
            "conversations": conversation(OBJECT.format(name=name), OBJECT_ANSWER.format(name=name, label=label)),
            "source": source.name,
            "kind": "caption_fg",
            "category": row.category,
        }


def build(root: Path, out: Path, options: CaptionFgOptions) -> None:
    if options.level is not None and options.granularity != "fine":
        raise UserError(f"level is {options.level!r} and granularity {options.granularity!r}; write one of the two")
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="caption_fg", sources=sources, options=options)


BUILDER = Builder(
    "training rows for alignment: the name of the object at a chosen granularity, one question per image",
    CaptionFgOptions,
    build,
)
