"""The options of `fgbmk`, and what each of its tracks gives back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..options import SourceOptions, Words, split_commas
from ..question_maker import Kinds, WordingCount

Track = Literal["hierarchy", "knowledge_bias", "attributes"]
# track -> its folder
TRACKS: dict[str, str] = {
    "hierarchy": "hierarchical_granularity_recognition",
    "knowledge_bias": "knowledge_bias_estimation",
    "attributes": "attribute_recognition",
}
# path below the track's folder -> its rows, made as they are asked for
Files = dict[str, Iterator[dict]]


class FgbmkOptions(SourceOptions):
    dataset: str | None = Field(
        None,
        description="the data set's name in paths; default FG-BMK's own (cub, stanforddog, ...), else the source's",
    )
    tracks: Annotated[tuple[Track, ...], BeforeValidator(split_commas), Field(min_length=1)] = Field(
        ("hierarchy",), description="hierarchy, knowledge_bias, attributes; separated by commas"
    )
    kinds: Kinds | None = Field(
        None,
        description="true_false, choice, short_answer, of hierarchy and attributes; separated by commas; default all "
        "that the data set allows",
    )
    levels: Words | None = Field(None, description="levels that hierarchy asks about, separated by commas; default all")
    short_answers: Literal["all", "finest"] = Field(
        "all", description="levels with short answers: all, or the finest only as in FG-BMK's CUB"
    )
    wordings: WordingCount = Field(
        4, description="4 as FG-BMK has them, or 10 for its extended prompts, of which six of each kind are our own"
    )
    labels: Path | None = Field(
        None,
        description="csv with a column per level (class,genus,species): names beyond those of the images that may be "
        "wrong answers, as when the images are a part of the data set",
    )
    max_images_per_class: int | None = Field(None, ge=1, description="images kept per finest category; default all")
