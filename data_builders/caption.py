"""`caption`: one plain caption row per image, naming its category."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from .chance import draw
from .options import SourceOptions
from .records import conversation, write_training_set
from .short_answer import at_most, row_id
from .sources import Source, load_source
from .templates import CAPTION, CAPTION_ANSWER

VERSION = 1


class CaptionOptions(SourceOptions):
    level: str | None = Field(None, description="level of the name in the caption; default the finest")
    split: str = Field("train", description="train, test or all")
    max_images_per_class: int | None = Field(None, ge=1, description="images kept per finest category; default all")


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
    source = load_source(options.source, root)
    write_training_set(
        out,
        rows_of(source, options),
        name=out.name,
        builder="caption",
        version=VERSION,
        image_root=source.root,
        sources=[source.name],
        splits=[options.split],
        options=options.identity(),
    )
