"""`questions`: FG-BMK's kinds of questions, made from training images: several independent questions a row."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from .asking import Asker, Kind
from .builder import Builder, write_source_rows
from .options import TrainingOptions, Words, split_commas
from .records import IMAGE_PLACEHOLDER
from .short_answer import at_most, row_id
from .sources import Source

VERSION = 1


class QuestionsOptions(TrainingOptions):
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(split_commas), Field(min_length=1)] = Field(
        ("true_false", "choice", "short_answer"), description="true_false, choice, short_answer; separated by commas"
    )
    levels: Words | None = Field(None, description="levels asked about, separated by commas; default all")
    per_kind: int = Field(1, ge=1, le=4, description="questions per image of each kind at each level")


def independent_turns(pairs: Iterable[tuple[str, str]]) -> list[dict]:
    """Question and answer pairs as turns; only the first question carries the image's placeholder."""
    turns = []
    for question, answer in pairs:
        lead = "" if turns else IMAGE_PLACEHOLDER + "\n"
        turns += [{"from": "human", "value": lead + question}, {"from": "gpt", "value": answer}]
    return turns


def rows_of(source: Source, options: QuestionsOptions) -> Iterable[dict]:
    asker = Asker(source, options.split, options.seed, "questions")
    levels = [source.level(name) for name in options.levels] if options.levels else source.levels
    for kind in options.kinds:
        for level in levels:
            asker.check(kind, level)
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        pairs = [
            asker.ask(kind, row, level, number, options.per_kind)
            for level in levels
            for kind in options.kinds
            for number in range(options.per_kind)
        ]
        yield {
            "id": row_id(f"{source.name}/questions", row.image),
            "image": row.image,
            "turns": "independent",
            "conversations": independent_turns(pairs),
            "source": source.name,
            "kind": "questions",
            "category": row.category,
        }


def build(root: Path, out: Path, options: QuestionsOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="questions", version=VERSION, sources=sources, options=options)


BUILDER = Builder(
    "training rows: true/false, choice and short-answer questions as FG-BMK asks them, from training images",
    QuestionsOptions,
    VERSION,
    build,
)
