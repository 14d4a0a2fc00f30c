"""`caption`: one plain caption row per image, naming its category."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from .builder import Builder
from .options import TrainingOptions
from .records import conversation
from .shared.seeding import draw
from .short_answer import at_most, row_id
from .source_rows import write_source_rows
from .sources import Source
from .templates import CAPTION, CAPTION_ANSWER


class CaptionOptions(TrainingOptions):
    level: str | None = Field(None, description="level of the name in the caption; default the finest")


def with_article(sentence: str) -> str:
    """ "a photo of a auklet." -> "a photo of an auklet." """
    words = sentence.split(" ")
    for place, word in enumerate(words[:-1]):
        if word == "a" and words[place + 1][:1] in "aeiou":
            words[place] = "an"
    return " ".join(words)


def rows_of(source: Source, options: CaptionOptions) -> Iterable[dict]:
    level = source.level(options.level)
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        rng = draw(options.seed, "caption", level.name, row.image)
        question = CAPTION[rng.integers(len(CAPTION))]
        answer = CAPTION_ANSWER[rng.integers(len(CAPTION_ANSWER))].format(label=source.label(row, level))
        yield {
            "id": row_id(f"{source.name}/caption/{level.name}", row.image),
            "image": row.image,
            "conversations": conversation(question, with_article(answer)),
            "source": source.name,
            "kind": "caption",
            "category": row.category,
        }


def build(root: Path, out: Path, options: CaptionOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="caption", sources=sources, options=options)


BUILDER = Builder("training rows: a plain caption per image", CaptionOptions, build)
