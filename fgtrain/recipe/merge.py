"""How one recipe is laid over another, and a command line over both.

Mappings merge deeply, everything else replaces. In an open mapping (one whose keys a person invents: data sets, stages,
a mix, what is trained, a builder's options) `null` removes a key; elsewhere null is a value like any other.
"""

from typing import Any

import yaml

from .problems import Key, Place, Problem, instead
from .yaml_reader import read_override, reason

COMMAND_LINE = Place("command line")


def is_open(key: Key) -> bool:
    """Does the mapping at `key` take keys that a person invents?"""
    match key:
        case ("data",) | ("stages",) | ("stages", _, "mix" | "train" | "augment") | ("data", _, "options"):
            return True
        case ("prepare", int(), "options"):
            return True
    return len(key) > 3 and is_open(key[:3])  # inside a builder's options


def merge(base: Any, over: Any, key: Key = ()) -> Any:
    """`over` laid over `base`; neither is changed."""
    if not isinstance(over, dict):
        return over
    merged = dict(_as_mapping(base, key))
    for name, value in over.items():
        if value is None and is_open(key):
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value, (*key, name))
    return merged


def _as_mapping(value: Any, key: Key) -> dict:
    """What a mapping is laid over: another mapping, or nothing. A part's bare number is its learning rate."""
    if len(key) == 4 and is_open(key[:3]) and key[2] == "train" and isinstance(value, int | float):
        return {"lr": value}
    return value if isinstance(value, dict) else {}


def apply_override(values: dict, text: str, schema_keys: list[str]) -> tuple[dict, Key, list[Problem]]:
    """`values` with one `key=value` laid over them, the key it set, and what is wrong with it."""
    name, separator, written = text.partition("=")
    name = name.strip()
    if not separator or not name or not all(name.split(".")):
        return values, (), [Problem((), f"{text!r} is not of the form key=value, for example seed=18", COMMAND_LINE)]
    try:
        read = read_override(written)
    except yaml.YAMLError as error:
        return values, (), [Problem((name,), f"is {written!r}, which is not YAML: {reason(error)}", COMMAND_LINE)]
    if read.problems:
        return values, (), [Problem((name, *one.key), one.text, COMMAND_LINE) for one in read.problems]
    return set_dotted(values, name, read.values, schema_keys, COMMAND_LINE)


def set_dotted(
    values: dict, name: str, value: Any, schema_keys: list[str], place: Place | None
) -> tuple[dict, Key, list[Problem]]:
    """`values` with `value` merged in at the dotted key `name`, the key that was set, and what is wrong with the name.

    A dotted key may make a new entry in an open mapping, but not reach into an entry that is not there.
    """
    parts = name.split(".")
    if not all(parts):
        return values, (), [Problem((name,), "is no dotted key, for example stages.sft.mix.fg_short_answer", place)]
    if parts[0] not in schema_keys:
        return values, (), [Problem((name,), f"is no key of a recipe. {instead(parts[0], schema_keys)}", place)]
    here: Any = values
    key: list[str | int] = []
    for part in parts[:-1]:
        if isinstance(here, list):
            if not (part.isdigit() and int(part) < len(here)):
                known = [str(i) for i in range(len(here))]
                problem = Problem((*key, part), f"does not exist. {instead(part, known)}", place)
                return values, (), [problem]
            key.append(int(part))
            here = here[int(part)]
            continue
        known = list(here) if isinstance(here, dict) else []
        if is_open(tuple(key)) and part not in known:
            problem = Problem((*key, part), f"does not exist. {instead(part, known)}", place)
            return values, (), [problem]
        key.append(part)
        here = here.get(part) if isinstance(here, dict) else None
    if isinstance(here, list):
        text = "is an entry of a list. Give the whole list: " + ".".join(str(k) for k in key) + "=[...]"
        return values, (), [Problem((*key, parts[-1]), text, place)]
    key.append(parts[-1])
    return _set(values, tuple(key), value), tuple(key), []


def _set(values: Any, key: Key, value: Any, done: Key = ()) -> Any:
    """`values` with `value` merged in at `key`."""
    first, rest = key[0], key[1:]
    if isinstance(values, list):
        return [_set(item, rest, value, (*done, i)) if i == first else item for i, item in enumerate(values)]
    inner = _as_mapping(values, done)
    if not rest:
        return merge(inner, {first: value}, done)
    return {**inner, first: _set(inner.get(first), rest, value, (*done, first))}
