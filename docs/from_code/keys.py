"""Every key of recipes, studies and cluster profiles, with type, default and what it means, from the pydantic schema.

A key's unit and meaning are the comment that stands beside it in the schema.
"""

import inspect
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fgtrain.executors.slurm.profile import Cluster
from fgtrain.recipe.best_stage import BestStage
from fgtrain.recipe.merge_stage import MergeStage
from fgtrain.recipe.replay import ReplayOptions
from fgtrain.recipe.schema import Recipe
from fgtrain.recipe.soup import Soup
from fgtrain.recipe.stage_schema import Stage
from fgtrain.recipe.study_schema import StudyFile

from .comments import comments_of

Place = str  # dotted, STAGE and DATASET for names that the user gives
NAMES = {"stages": "STAGE", "data": "DATASET", "train": "PART", "runs": "NAME"}
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}


def recipe_keys() -> str:
    """The page's body: a heading and a table for each section of a recipe."""
    extra = {"data.DATASET.options of replay": ReplayOptions}
    return "\n".join(_page(Recipe, "the recipe", extra))


def study_keys() -> str:
    """The same of a study file."""
    return "\n".join(_page(StudyFile, "the study", {"arms.ARM.soup": Soup}))


def cluster_keys() -> str:
    """The same of a cluster profile."""
    return "\n".join(_page(Cluster, "the profile", {}))


def sections(top: type[BaseModel], place: Place = "") -> Iterator[tuple[Place, type[BaseModel]]]:
    """(place, class) of a schema and of all sections in it, in the order of their keys."""
    yield place, top
    for key, field in top.model_fields.items():
        inner = f"{place}.{key}" if place else key
        for named, kind in _sections_in(field.annotation):
            yield from sections(kind, f"{inner}.{NAMES.get(key, 'NAME')}" if named else inner)


def _sections_in(kind: Any, named: bool = False) -> Iterator[tuple[bool, type[BaseModel]]]:
    """The sections that a key's value may be, and whether each stands under a name that the user gives."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield named, kind
    elif get_origin(kind) is dict:
        yield from _sections_in(get_args(kind)[1], True)
    else:
        for part in get_args(kind):
            if not isinstance(part, str):
                yield from _sections_in(part, named)


def described(section: type[BaseModel]) -> dict[str, str]:
    """Key -> its meaning, from the class that declares it; "" where the source says nothing."""
    told: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            told |= comments_of(kind)
    return {key: told.get(key, "") for key in section.model_fields}


def _page(top: type[BaseModel], whole: str, extra: dict[str, type[BaseModel]]) -> Iterator[str]:
    for place, section in [*sections(top), *extra.items()]:
        which = {
            Stage: ", a stage that trains",
            MergeStage: ", a stage that averages",
            BestStage: ", the best of a stage",
        }
        yield f"\n## {f'`{place}`' if place else f'Top level of {whole}'}{which.get(section, '')}\n"
        if section.__doc__ and section.__doc__ != BaseModel.__doc__:
            yield inspect.cleandoc(section.__doc__) + "\n"
        yield "| key | meaning | type | default |\n| --- | --- | --- | --- |"
        told = described(section)
        for key, field in section.model_fields.items():
            yield f"| `{key}` | {_cell(told[key])} | {_cell(type_of(field))} | {_cell(default_of(field))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def type_of(field: FieldInfo) -> str:
    """In words: what may be written there, its bounds included."""
    return _words(field.annotation) + _bounds(field.metadata)


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin is Annotated:
        return _words(inner[0]) + _bounds(inner[1:])
    if origin in (Union, types.UnionType):
        parts = dict.fromkeys(_words(one) for one in inner if one is not type(None))
        return " or ".join(parts) + (" or null" if type(None) in inner else "")
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {_words(inner[0])}"
        return f"list of {len(inner)}: {_words(inner[0])}"
    if origin is dict:
        value = "" if inner[1] is Any else f" -> {_words(inner[1])}"
        return f"mapping: {_words(inner[0])}{value}" if value else "mapping"
    raise TypeError(f"no words for a key of type {kind}")


def _bounds(metadata: Any) -> str:
    parts = [part for one in metadata for part in (getattr(one, "metadata", None) or [one])]
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    told = [
        f"{sign} {limit:g}"
        for part in parts
        for name, sign in signs.items()
        if (limit := getattr(part, name, None)) is not None
    ]
    return f" {', '.join(told)}" if told else ""


def default_of(field: FieldInfo) -> str:
    """As it would be written in the file; "needed" where there is none."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, BaseModel):
        return "its own defaults"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value or '{}'}`" if isinstance(value, dict) else f"`{value}`"
