"""From plain values to a Recipe, or to every mistake in them at once, in a researcher's words."""

import copy
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from fgtrain.errors import UserError

from .checks import check
from .keys import MERGES, NAME_PATTERN, STAGE_PATTERN, TRAINS
from .problems import Key, Problem, instead, nearest
from .schema import Recipe
from .sweep import as_written, with_sweeps
from .yaml_reader import as_number, yaml_number

Schema = TypeVar("Schema", bound=BaseModel)

# What stands in for a required value that is missing or wrong, so that everything else can still be checked.
STAND_INS: dict[str, Any] = {
    "name": "unnamed",
    "model": {},
    "train": {},
    "mix": {},
    "global_batch_size": 1,
    "lr": 1.0,
    "decay": 0.0,
    "what": "unknown",
    "out": "unknown",
    "at": [],
    "evaluation": {},
    "merge": {"start": 1.0},
    "source": "folder",
    "root": "unknown",
    "sources": [],
}

EXAMPLES = {
    "name": "my_run",
    "train": "{projector: 1.0e-3}",
    "mix": "{llava_558k: 1}",
    "global_batch_size": "256",
    "lr": "1.0e-3",
    "decay": "0.999",
    "model": "{vision_encoder: ..., projector: mlp2x_gelu, language_model: ...}",
    "merge": "{sft: 0.5}",
    "what": "short_answer",
    "out": "{built_root}/world",
    "source": "cub",
    "root": '"{data_root}/CUB_200_2011"',
    "sources": '[{source: cub, root: "{data_root}/CUB_200_2011"}]',
}


def validate(values: dict) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or None and what is wrong (places not filled in). Finds schema and cross-key problems together."""
    recipe, problems, damaged = repaired(with_sweeps(values), Recipe)
    if recipe is not None:
        problems += check(recipe, damaged)
        if recipe.evaluation.tasks_from:
            problems += _own_tasks(recipe)
    problems = as_written(problems)
    return (None if problems else recipe), problems


def _own_tasks(recipe: Recipe) -> list[Problem]:
    """Makes the recipe's own task files known in this process; what is wrong with them."""
    from evaluation.tasks.task_files import use_tasks_from

    try:
        use_tasks_from(recipe.task_folders())
    except UserError as error:
        return [Problem(("evaluation", "tasks_from"), f"cannot be used: {error}")]
    return []


def repaired(values: dict, schema: type[Schema]) -> tuple[Schema | None, list[Problem], set[Key]]:
    """`values` as the schema has them, with stand-ins for what is wrong, so that the rest can still be checked.

    Also what is wrong (places not filled in), and the keys that a stand-in took the place of.
    """
    problems: list[Problem] = []
    damaged: set[Key] = set()
    remaining = copy.deepcopy(values)
    for _ in range(8):  # a stand-in may uncover the next layer of mistakes
        try:
            return schema.model_validate(remaining), problems, damaged
        except ValidationError as failure:
            errors = failure.errors(include_url=False)
            problems += described(errors, schema)
            for error in errors:
                key = _written_key(error["loc"])
                damaged.add(key)
                remaining = _with_stand_in(remaining, key)
    return None, problems, damaged


def _written_key(location: tuple) -> Key:
    """pydantic's location without what it adds for dictionary keys and members of unions."""
    return tuple(part for part in location if part not in ("[key]", "[all]", "[each]", TRAINS, MERGES))


def _with_stand_in(values: dict, key: Key) -> dict:
    """`values` with a stand-in at `key`, or without it. Reaches as deep as `values` does."""
    here: Any = values
    for depth, part in enumerate(key):
        last = depth == len(key) - 1
        inner = here[part] if _has(here, part) else None
        if not last and isinstance(inner, dict | list):
            here = inner
            continue
        if isinstance(here, dict):
            if (last and part in STAND_INS) or (not last and part in STAND_INS):
                here[part] = copy.deepcopy(STAND_INS[part])
            else:
                here.pop(part, None)
        elif isinstance(here, list) and _has(here, part):
            here.pop(part)
        return values
    return values


def _has(container: Any, part: str | int) -> bool:
    if isinstance(container, dict):
        return part in container
    return isinstance(container, list) and isinstance(part, int) and part < len(container)


def described(errors: list[dict], schema: type[BaseModel]) -> list[Problem]:
    """Each pydantic error as a sentence. A missing key that a misspelt neighbour explains is not told twice."""
    problems, explained = [], set()
    for error in errors:
        if error["type"] == "extra_forbidden":
            key = _written_key(error["loc"])
            allowed = _allowed_keys(error["loc"][:-1], schema)
            problems.append(Problem(key, f"is no key here. {instead(key[-1], allowed)}"))
            if word := nearest(key[-1], allowed):
                explained.add((*key[:-1], word))
    for error in errors:
        key = _written_key(error["loc"])
        if error["type"] != "extra_forbidden" and not (error["type"] == "missing" and key in explained):
            problems.append(_sentence(key, error))
    return problems


def _sentence(key: Key, error: dict) -> Problem:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    is_key = error["loc"][-1:] == ("[key]",)
    if kind == "missing":
        example = EXAMPLES.get(str(key[-1]))
        return Problem(key, f"is missing{f'. For example {key[-1]}: {example}' if example else ''}")
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
        limits = " and ".join(f"{word[name]} {limit:g}" for name, limit in context.items())
        return Problem(key, f"is {_shown(value)}, must be {limits}")
    if kind == "too_short" and isinstance(value, dict):
        return Problem(key, f"is empty. For example {key[-1]}: {EXAMPLES.get(str(key[-1]), '[...]')}")
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
        "tuple_type": "a list: [a, b]",
        "model_type": "a mapping (key: value)",
        "model_attributes_type": "a mapping (key: value)",
    }.get(kind)
    if wanted is None:
        return Problem(key, f"is {_shown(value)}: {error['msg']}")
    hint = ""
    if isinstance(value, str) and "number" in wanted and (number := as_number(value)) is not None:
        hint = f". Without quotes: {yaml_number(number) if number != int(number) else int(number)}"
    return Problem(key, f"is {_shown(value)}, must be {wanted}{hint}")


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
        here = _kind_of(here, part) if part in (TRAINS, MERGES) else _inner_type(here, part)
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
