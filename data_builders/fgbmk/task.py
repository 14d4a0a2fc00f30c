"""The options of `fgbmk`, and what each of its tracks gives back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..fgbmk_layout import ATTRIBUTES, HIERARCHY, KNOWLEDGE_BIAS, WORDINGS
from ..mined_negatives import identity_of, words_or_file
from ..options import SourceOptions, Words, split_commas
from ..question_maker import MOST_OPTIONS, OPTIONS, Kinds, WordingCount

Track = Literal["hierarchy", "knowledge_bias", "attributes", "wordings"]
# track -> its folder
TRACKS: dict[str, str] = {
    "hierarchy": HIERARCHY,
    "knowledge_bias": KNOWLEDGE_BIAS,
    "attributes": ATTRIBUTES,
    "wordings": WORDINGS,
}
# path below the track's folder -> its rows, made as they are asked for
Files = dict[str, Iterator[dict]]


class FgbmkOptions(SourceOptions):
    dataset: str | None = Field(
        None,
        description="the data set's name in paths; default FG-BMK's own (cub, stanforddog, ...), else the source's",
    )
    tracks: Annotated[tuple[Track, ...], BeforeValidator(split_commas), Field(min_length=1)] = Field(
        ("hierarchy",), description="hierarchy, knowledge_bias, attributes, wordings; separated by commas"
    )
    kinds: Kinds | None = Field(
        None,
        description="true_false, choice, short_answer, of hierarchy, attributes and wordings; separated by commas; "
        "default all that the data set allows",
    )
    levels: Words | None = Field(
        None,
        description="levels that hierarchy and wordings ask about, separated by commas, or all, or finest; default "
        "those that FG-BMK has published, all of other data sets",
    )
    short_answers: Literal["published", "all", "finest"] = Field(
        "published",
        description="levels with short answers: published (as FG-BMK has them of this data set, all of others), all, "
        "finest",
    )
    negatives: Annotated[str, words_or_file("published", "siblings", "random")] = Field(
        "published",
        description="wrong labels of hierarchy: published (siblings first of cub and iNat2021, any label of FG-BMK's "
        "other data sets, as in its files), or siblings (first of every data set, as in its paper's words, and no "
        "option that holds the right name while others are left; so of data sets that FG-BMK has not), random, or a "
        "file of python -m evaluation features --confusions or confusions: the hardest of it",
    )
    options: int = Field(OPTIONS, ge=2, le=MOST_OPTIONS, description="names that a choice of hierarchy lists")
    wordings: WordingCount = Field(
        4,
        description="4 as FG-BMK has them, or 10 for its extended prompts, of which six of each kind are our own; one "
        "is drawn for each question, and with --tracks wordings each is asked in all",
    )
    labels: Path | None = Field(
        None,
        description="csv with a column per level (class,genus,species): names beyond those of the images that may be "
        "wrong answers, as when the images are a part of the data set",
    )
    max_images_per_class: int | None = Field(None, ge=1, description="images kept per finest category; default all")

    def identity(self) -> dict:
        """Four options are as if there were no such option."""
        found = super().identity()
        if self.options == OPTIONS:
            del found["options"]
        return {**found, "negatives": identity_of(self.negatives)}

    @property
    def as_published(self) -> bool:
        """May its files bear the name of a data set that FG-BMK has published?"""
        return self.options == OPTIONS and self.negatives in ("published", "siblings")
