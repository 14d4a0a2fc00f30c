"""Options that a builder declares once: the same model reads a recipe's `options:` and the command line."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .shared.errors import UserError
from .shared.files import sha256_file
from .sources import SOURCE_NAMES, HoldOut, Source, SplitDraw, hold_out, known_sources, load_sources


def split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def split_pairs(value: Any) -> Any:
    """ "cub=CUB_200_2011, cars=cars" -> {"cub": "CUB_200_2011", "cars": "cars"}; other values as they are."""
    if not isinstance(value, str) or "=" not in value:
        return value
    return {name.strip(): folder.strip() for name, _, folder in (part.partition("=") for part in value.split(","))}


def known_source(value: str | dict[str, str]) -> str | dict[str, str]:
    for name in [value] if isinstance(value, str) else value:
        if name not in SOURCE_NAMES and name not in known_sources():
            raise ValueError(f"{name!r} is no source; there are: {', '.join(known_sources())}")
    if not value or (isinstance(value, dict) and not all(value.values())):
        raise ValueError("write one source, or source=folder of each: cub=CUB_200_2011,cars=stanford_cars")
    return value


# "--levels genus,species" on the command line, a list or the same text in a recipe
Words = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
# "--source cub", or several data sets under one root: "--source cub=CUB_200_2011,cars=stanford_cars", a mapping in a
# recipe
WhichSource = Annotated[str | dict[str, str], BeforeValidator(split_pairs), AfterValidator(known_source)]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    not_identity: ClassVar[frozenset[str]] = frozenset()  # options that do not change what is built

    def identity(self) -> dict:
        """The options that decide what is built, with their defaults, as JSON has them."""
        free = frozenset().union(*(vars(kind).get("not_identity", ()) for kind in type(self).__mro__))
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in free}


class CheckOptions(Options):
    """Options of every builder that looks at its own result before it says that it is done."""

    not_identity = frozenset({"check"})

    check: Literal["full", "bytes", "none"] = Field(
        "bytes",
        description="bytes: broken images, and equal images with different answers, found by a few bytes of each; "
        "full: every image is decoded; none",
    )


class LeakOptions(CheckOptions):
    """Options of every training set: what it must not share images or open questions with."""

    # What was left out is in the manifest, and a build that would leave out something else is another build.
    not_identity = frozenset({"against", "on_leak"})

    check: Literal["full", "bytes", "none"] = Field(
        "bytes",
        description="bytes: broken images and images of equal content, found by a few bytes of each; full: nearly "
        "equal ones too (every image is decoded, about 1 ms each, the first time); none",
    )
    against: Words = Field(
        (), description="folders with benchmarks that nothing may leak from, separated by commas; see check --help"
    )
    on_leak: Literal["error", "drop"] = Field(
        "error", description="error: nothing is built; drop: rows that leak go to OUT/left_out.jsonl with the reason"
    )


class SourceOptions(CheckOptions):
    """Options of every builder that reads labelled images."""

    not_identity = frozenset({"check_images"})

    source: WhichSource = Field(
        description="the data set at --root, or several in folders of it: cub=CUB_200_2011,cars=stanford_cars"
    )
    seed: int = Field(0, description="of every draw")
    check_images: bool = Field(True, description="look whether every listed image is there")
    test_fraction: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="for a data set without test images: this fraction of each category's is drawn as test images; "
        "write the same for every builder",
    )
    groups: str | None = Field(
        None, description="csv file file,group: photos of one group (an animal) are all tested, or none is"
    )

    def identity(self) -> dict:
        """Groups count by what the file holds."""
        found = super().identity()
        if self.groups is not None and Path(self.groups).is_file():
            found["groups"] = f"sha256:{sha256_file(Path(self.groups))[:16]}"
        return found

    @property
    def test(self) -> SplitDraw:
        return SplitDraw(self.test_fraction, self.groups)

    def load(self, root: Path) -> tuple[Source, ...]:
        """The data sets, all seen from one image root (`sources[0].root`)."""
        return load_sources(self.source, root, look_for_images=self.check_images, test=self.test)


def fraction_or_file(value: Any) -> Any:
    """ "0.25" -> 0.25; a file's name as it is."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return value
    if not 0 < value < 1:
        raise ValueError("write a fraction between 0 and 1, or a file of names, one a line")
    return value


class Categories(BaseModel):
    """Which categories a training set leaves out, so that it can be measured what is learnt about others by them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hold_out: Annotated[float | str, BeforeValidator(fraction_or_file)]
    level: str | None = None  # of the draw; null: the finest


class TrainingOptions(LeakOptions, SourceOptions):
    """Options of every training set made of labelled images. There is no way to train on test images."""

    split: Literal["trainval", "train", "val"] = Field(
        "trainval", description="trainval (all but test images), train or val"
    )
    max_images_per_class: int | None = Field(None, ge=1, description="images kept per finest category; default all")
    categories: Annotated[Categories | None, BeforeValidator(split_pairs)] = Field(
        None,
        description="hold_out=0.25 (of the finest labels; another level: hold_out=0.25,level=genus) or hold_out=FILE "
        "of names: these categories are neither shown nor named, the same ones in every builder",
    )

    def identity(self) -> dict:
        """A list of names counts by what it holds. Nothing held out is as if there were no such option."""
        found = super().identity()
        if self.categories is None:
            del found["categories"]
        elif isinstance(listed := self.categories.hold_out, str) and Path(listed).is_file():
            found["categories"]["hold_out"] = f"sha256:{sha256_file(Path(listed))[:16]}"
        return found

    def load(self, root: Path) -> tuple[Source, ...]:
        """Without the categories that are held out."""
        sources = super().load(root)
        if self.categories is None:
            return sources
        return hold_out(sources, HoldOut(self.categories.hold_out, self.categories.level))


def parse_options(model: type[Options], values: dict, what: str) -> Options:
    """The checked options. UserError lists every wrong one with its value and what may stand there."""
    try:
        return model(**values)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"]) or "options"
            if fault["type"] == "extra_forbidden":
                inside = Categories if fault["loc"][0] == "categories" else model
                lines.append(f"{name}: no such option; {what} has {', '.join(inside.model_fields)}")
            elif fault["type"] == "missing" and name in model.model_fields:
                lines.append(f"{name}: needed ({model.model_fields[name].description})")
            else:
                lines.append(f"{name} is {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}")
        raise UserError(f"{what}: " + "; ".join(lines)) from None
