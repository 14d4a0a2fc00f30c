"""`questions`: FG-BMK's kinds of questions, made from training images: several independent questions a row.

With one question of each kind the true/false answer of an image is the same in every pass, and a model may learn it by
heart. `--per-kind 2` or more asks some that are true and some that are not, each about another wrong label.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from .builder import Builder
from .mined_negatives import identity_of, mined_of, words_or_file
from .options import TrainingOptions, Words
from .question_maker import KINDS, MOST_OPTIONS, OPTIONS, Asker, Kinds, WordingCount
from .records import independent_turns
from .shared.errors import UserError
from .short_answer import kept_images, row_id
from .source_rows import write_source_rows
from .sources import Source


class QuestionsOptions(TrainingOptions):
    kinds: Kinds | None = Field(
        None,
        description="true_false, choice, short_answer, separated by commas; default all that a level has labels enough "
        "for",
    )
    levels: Words | None = Field(None, description="levels asked about, separated by commas, or finest; default all")
    wordings: WordingCount = Field(4, description="4 as FG-BMK has them, or 10, six of each kind being our own")
    per_kind: int = Field(
        1,
        ge=1,
        description="questions per image of each kind at each level, in as many wordings; 2 or more ask yes and no",
    )

    options: int = Field(OPTIONS, ge=2, le=MOST_OPTIONS, description="names that a choice question lists")
    negatives: Annotated[str, words_or_file("siblings", "random")] = Field(
        "siblings",
        description="wrong names: siblings (first), random, or a file that python -m evaluation features --confusions "
        "has written: the hardest of it",
    )

    def identity(self) -> dict:
        """Options that are as they were before there were others do not make another set."""
        found = super().identity()
        if self.options == OPTIONS:
            del found["options"]
        if self.negatives == "siblings":
            del found["negatives"]
        else:
            found["negatives"] = identity_of(self.negatives)
        return found

    @field_validator("per_kind")
    @classmethod
    def no_wording_twice(cls, value: int, info: ValidationInfo) -> int:
        if value > (wordings := info.data.get("wordings", 4)):
            raise ValueError(f"there are {wordings} wordings; write at most {wordings}, or wordings: 10")
        return value


def rows_of(source: Source, options: QuestionsOptions) -> Iterable[dict]:
    mined, random = mined_of(options.negatives), options.negatives == "random"
    if mined is not None and mined.pictures == "test":
        raise UserError(
            f"negatives: {mined.path} was mined behind test pictures, which nothing of a training set may come from. "
            "python -m evaluation features --confusions FILE mines behind training pictures"
        )
    how = {"siblings_first": not random, "options": options.options, "mined": mined}
    asker = Asker(source, options.split, options.seed, "questions", options.wordings, **how)
    levels = source.chosen(options.levels, source.levels)
    asker.check_mined(levels)
    asked = [
        (level, kind)
        for level in levels
        for kind in options.kinds or KINDS
        if options.kinds is not None or not asker.too_few(kind, level)
    ]
    for level, kind in asked:
        asker.check(kind, level)
    kept = kept_images(source.split(options.split), options.max_images_per_class, options.seed)
    for row, places in asker.walk(levels, kept):
        pairs = [
            asker.ask(kind, row, level, places[level.name], number, options.per_kind)
            for level, kind in asked
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
    write_source_rows(out, rows, builder="questions", sources=sources, options=options)


BUILDER = Builder(
    "training rows: true/false, choice and short-answer questions as FG-BMK asks them, from training images",
    QuestionsOptions,
    build,
)
