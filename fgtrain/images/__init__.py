"""How a picture becomes what one family of models takes: plain data and PIL, no torch. One file a way of doing it."""

from typing import Any

from .anyres import AnyRes
from .native import Native
from .spec import ImageSpec, Layout
from .split import Split
from .square import Square
from .tiles import Tiles

SPECS: dict[str, type[ImageSpec]] = {spec.kind: spec for spec in (Square, Tiles, AnyRes, Native, Split)}

__all__ = ["SPECS", "AnyRes", "ImageSpec", "Layout", "Native", "Split", "Square", "Tiles", "spec_from_dict"]


def spec_from_dict(values: dict[str, Any]) -> ImageSpec:
    """The spec that `ImageSpec.to_dict` was asked of. Without a kind it is a square."""
    values = {key: _frozen(value) for key, value in values.items()}
    return SPECS[values.pop("kind", Square.kind)](**values)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
