"""Two recipes side by side, and a recipe as text that loads again."""

from dataclasses import dataclass
from typing import Any

import yaml

from .schema import Recipe

ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One key that two recipes answer differently; ABSENT where one of them does not have it."""

    key: str
    a: Any
    b: Any


def as_values(recipe: Recipe) -> dict:
    """The recipe as plain values, as YAML would hold them; every default written out."""
    return recipe.model_dump(mode="json")


def dump_resolved(recipe: Recipe) -> str:
    """YAML that `load_recipe` reads back to an equal recipe, whatever defaults change later."""
    return yaml.safe_dump(as_values(recipe), sort_keys=False, allow_unicode=True, width=120)


def differences(a: Recipe, b: Recipe) -> list[Difference]:
    """What differs, in the order of the schema. A whole entry that only one recipe has is one difference."""
    found = list(_compare(as_values(a), as_values(b), ""))
    shared_a = [name for name in a.stages if name in b.stages]
    shared_b = [name for name in b.stages if name in a.stages]
    if shared_a != shared_b:
        found.append(Difference("stages (order)", shared_a, shared_b))
    return found


def _compare(a: Any, b: Any, key: str):
    if isinstance(a, dict) and isinstance(b, dict):
        for name in [*a, *(name for name in b if name not in a)]:
            yield from _compare(a.get(name, ABSENT), b.get(name, ABSENT), f"{key}.{name}" if key else name)
    elif a != b:
        yield Difference(key, a, b)
