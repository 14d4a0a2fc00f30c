"""What pydantic finds in the values of a section, as sentences in a researcher's words."""

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from .keys import KINDS, NAME_PATTERN, STAGE_PATTERN
from .problems import Key, Problem, instead, nearest
from .yaml_reader import as_number, yaml_number

EXAMPLES = {
    "name": "my_run",
    "train": "{projector: 1.0e-3}",
    "mix": "{llava_558k: 1}",
    "global_batch_size": "256",
    "lr": "1.0e-3",
    "decay": "0.999",
    "model": "{vision_encoder: ..., projector: mlp2x_gelu, language_model: ...}",
    "merge": "{sft: 0.5}",
    "forgetting": "5",
    "kl": "0.1",
    "on": "[general]",
    "targets": "[q_proj, v_proj]",
    "of": "[general]",
    "by": "random",
    "what": "short_answer",
    "out": "{built_root}/world",
    "source": "cub",
    "root": '"{data_root}/CUB_200_2011"',
    "sources": '[{source: cub, root: "{data_root}/CUB_200_2011"}]',
}


def described(errors: list[dict], schema: type[BaseModel]) -> list[Problem]:
    """Each pydantic error of the schema's values as a sentence, its key as written. A missing key that a misspelt
    neighbour explains is not told twice."""
    problems, explained = [], set()
    for error in errors:
        if error["type"] == "extra_forbidden":
            key = written_key(error["loc"])
            allowed = _allowed_keys(error["loc"][:-1], schema)
            if (first := str(key[-1]).partition(".")[0]) in allowed and "." in str(key[-1]):
                nested = str(key[-1]).replace(".", ": {") + ": ..." + "}" * str(key[-1]).count(".")
                text = f"is no key here: dotted ones are for studies and the command line. Write {nested}"
                problems.append(Problem(key, text))
                explained.add((*key[:-1], first))
                continue
            problems.append(Problem(key, f"is no key here. {instead(key[-1], allowed)}"))
            if word := nearest(key[-1], allowed):
                explained.add((*key[:-1], word))
    for error in errors:
        key = written_key(error["loc"])
        if error["type"] != "extra_forbidden" and not (error["type"] == "missing" and key in explained):
            problems.append(_sentence(key, error))
    return problems


def written_key(location: tuple) -> Key:
    """pydantic's location without what it adds for dictionary keys and members of unions."""
    return tuple(part for part in location if part not in ("[key]", "[all]", "[each]", *KINDS))


def _sentence(key: Key, error: dict) -> Problem:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    is_key = error["loc"][-1:] == ("[key]",)
    if kind == "missing":
        return Problem(key, f"is missing{_for_example(key)}")
    if kind == "literal_error":
        allowed = [word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(", ")]
        if is_key:
            return Problem(key, f"is no part of a model. {instead(value, allowed)}")
        return Problem(key, f"is {_shown(value)}. {instead(value, allowed)}")
    if kind == "string_pattern_mismatch":
        if context.get("pattern") in (NAME_PATTERN, STAGE_PATTERN):
            return Problem(key, f"is called {value!r}. Names hold letters, digits, - and _ only (no dots or slashes)")
        text = "Known are: linear, mlp<N>x_gelu (for example mlp2x_gelu), each also with norm_ in front, and "
        text += "pixel_shuffle_mlp<N>x_gelu"
        return Problem(key, f"is {_shown(value)}. {text}")
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        word = {"gt": "larger than", "ge": "at least", "lt": "smaller than", "le": "at most"}
        limits = " and ".join(f"{word[name]} {_limit(limit)}" for name, limit in context.items())
        return Problem(key, f"is {_shown(value)}, must be {limits}")
    if kind == "too_short" and not value:
        return Problem(key, f"is empty{_for_example(key)}")
    if kind == "string_too_long":
        return Problem(key, f"has {len(value)} characters, must have at most {context['max_length']}")
    if kind == "too_long":
        return Problem(key, f"is {_shown(value)}, must be {context['max_length']} values at most")
    if kind == "value_error":
        return Problem(key, f"is {_shown(value)}, {context['error']}")
    wanted = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "text",
        "dict_type": "a mapping (key: value)",
        "tuple_type": "a list",
        "model_type": "a mapping (key: value)",
        "model_attributes_type": "a mapping (key: value)",
    }.get(kind)
    if wanted is None:
        return Problem(key, f"is {_shown(value)}: {error['msg']}")
    return Problem(key, f"is {_shown(value)}, must be {wanted}{_hint(value, wanted)}")


def _limit(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _hint(value: Any, wanted: str) -> str:
    """What to type, where it can be told."""
    if isinstance(value, str) and "number" in wanted:
        if (number := as_number(value)) is not None:
            return f". Without quotes: {yaml_number(number) if number != int(number) else int(number)}"
        if value.endswith("%") and (number := as_number(value[:-1])) is not None and wanted == "a number":
            return f". As a fraction: {number / 100:g}"
    if wanted == "text" and isinstance(value, bool):
        return ". Put the word in quotes"
    if wanted == "text" and isinstance(value, int | float):
        return f'. In quotes: "{_shown(value)}"'
    if wanted == "a list" and isinstance(value, str | int | float):
        return f". Write [{', '.join(part.strip() for part in str(value).split(','))}]"
    return ""


def _for_example(key: Key) -> str:
    example = EXAMPLES.get(str(key[-1]))
    return f". For example {key[-1]}: {example}" if example else ""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}" if as_number(value) is not None else (value or "empty text")
    if isinstance(value, float):
        return yaml_number(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return str(value)


def _allowed_keys(key: Key, schema: type[BaseModel]) -> list[str]:
    """The keys that the section at `key`, kinds of stages included, of the schema has."""
    here: Any = schema
    for part in key:
        here = _kind_of(here, part) if part in (*KINDS, "[all]", "[each]") else _inner_type(here, part)
        if here is None:
            return []
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _kind_of(union: Any, tag: str) -> Any:
    """The member of a tagged union that has the tag."""
    for member in get_args(union):
        if any(getattr(note, "tag", None) == tag for note in getattr(member, "__metadata__", ())):
            return _without_wrapping(member)
    return None


def _inner_type(outer: Any, part: str | int) -> Any:
    """The section class, or the dict or tuple type, that stands at `part` of `outer`."""
    if isinstance(outer, type) and issubclass(outer, BaseModel):
        field = outer.model_fields.get(str(part))
        return None if field is None else _without_wrapping(field.annotation)
    arguments = get_args(outer)
    if get_origin(outer) is dict:
        return _without_wrapping(arguments[1])
    if get_origin(outer) is tuple:
        return _without_wrapping(arguments[0])
    return None


def _without_wrapping(annotation: Any) -> Any:
    """`Annotated[X, ...]` and `X | None` as X."""
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif origin not in (dict, tuple) and type(None) in arguments:
            annotation = next(argument for argument in arguments if argument is not type(None))
        else:
            return annotation
