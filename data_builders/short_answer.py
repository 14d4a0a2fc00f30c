"""`short_answer`: one row per training image, a question drawn from the wordings, the category as the answer."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from .builder import Builder
from .options import TrainingOptions
from .question_maker import question_words
from .records import conversation
from .shared.seeding import address_hash, draw
from .source_rows import write_source_rows
from .sources import LabelledImage, Source
from .templates import SHORT_ANSWER, SHORT_ANSWERS_IN_TRAINING, short_answer


class ShortAnswerOptions(TrainingOptions):
    level: str | None = Field(None, description="level of the answer (species, genus, ...); default the finest")
    fgbmk_wordings_only: bool = Field(False, description="leave out the wordings that FG-BMK does not have")
    wordings: int | None = Field(
        None, ge=1, le=len(SHORT_ANSWER), description="draw from so many of FG-BMK's wordings, the first ones"
    )

    def identity(self) -> dict:
        """With all wordings it is as if there were no such option."""
        return {key: value for key, value in super().identity().items() if key != "wordings" or value is not None}


def row_id(prefix: str, image: str) -> str:
    """A row's id from its image path without suffix: stable when rows are added or left out."""
    return f"{prefix}/{image.rsplit('.', 1)[0]}"


def kept_images(rows: Iterable[LabelledImage], limit: int | None, seed: int) -> frozenset[str] | None:
    """At most `limit` images of each category, drawn by address; None when there is no limit."""
    if limit is None:
        return None
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row.category, []).append(row.image)
    kept = []
    for images in groups.values():
        kept += sorted(images, key=lambda image: address_hash(seed, "max_images_per_class", image))[:limit]
    return frozenset(kept)


def at_most(rows: Iterable[LabelledImage], limit: int | None, seed: int) -> list[LabelledImage]:
    """At most `limit` images of each category, drawn by address, in the order they came."""
    rows = list(rows)
    kept = kept_images(rows, limit, seed)
    return rows if kept is None else [row for row in rows if row.image in kept]


def rows_of(source: Source, options: ShortAnswerOptions) -> Iterable[dict]:
    level = source.level(options.level)
    wordings = len(SHORT_ANSWER) + (0 if options.fgbmk_wordings_only else SHORT_ANSWERS_IN_TRAINING)
    wordings = options.wordings or wordings
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        which = int(draw(options.seed, "short_answer", level.name, row.image).integers(wordings))
        aliases = source.aliases.get(row.category, ()) if level is source.finest else ()
        yield {
            "id": row_id(f"{source.name}/short_answer/{level.name}", row.image),
            "image": row.image,
            "conversations": conversation(
                short_answer(which, question_words(source, row, level)), source.label(row, level)
            ),
            "source": source.name,
            "kind": "short_answer",
            "category": row.category,
            **({"aliases": list(aliases)} if aliases else {}),
        }


def build(root: Path, out: Path, options: ShortAnswerOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="short_answer", sources=sources, options=options)


BUILDER = Builder("training rows: one question per image, its category as the answer", ShortAnswerOptions, build)
