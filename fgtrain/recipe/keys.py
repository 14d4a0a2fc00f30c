"""What the keys of recipes and studies are made of: sections, names, lists, numbers."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # names are folder names and parts of dotted keys
# YAML has lists only; a tuple cannot be changed by whoever holds the recipe.
AS_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
LONGEST_NAME = 200  # characters; file systems take 255 bytes
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
STAGE_PATTERN = NAME_PATTERN.removesuffix("$") + r"(@(0|1|0\.\d+))?$"  # wise@0.25: see sweep
StageName = Annotated[str, Field(pattern=STAGE_PATTERN, max_length=LONGEST_NAME)]
Texts = Annotated[tuple[str, ...], AS_TUPLE]
Tags = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], AS_TUPLE]
Positive = Annotated[int, Field(gt=0)]
START = "start"  # the checkpoint before any training
MOST_SEED = 2**63 - 1  # other programs read it from files
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
KINDS = TRAINS, MERGES, TAKES = "[trains]", "[merges]", "[takes]"  # of stages, where pydantic tells them apart
Fraction01 = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    # strict: the text "8" is not the number 8, and `on` is not 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Augment = Literal["none", "flip_crop", "autoaugment", "jpeg"]
# Of the pictures of a stage: one way, or data set -> way; told apart by a tag, so that a mistake is told once.
Augments = Annotated[
    Annotated[Augment, Tag("[all]")] | Annotated[dict[str, Augment], Tag("[each]")],
    Discriminator(lambda value: "[each]" if isinstance(value, dict) else "[all]"),
]
