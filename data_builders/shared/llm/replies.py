"""What counts as an answer: text that is there and, where JSON is asked for, follows its schema."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from .json_in_text import Doubtful, objects_in

Check = Callable[[Any], str | None]  # the answer -> what is wrong with it, None when nothing is
DEPTH = 2  # how deep in an object the one that was asked for may lie


class Unusable(ValueError):
    """The reply is no answer; the text says why, in words that the model can be told."""


def parse(text: str, schema: type[BaseModel] | None, check: Check | None = None) -> Any:
    """The text without blanks around it, or an object of `schema`. Unusable when it is neither."""
    text = text.strip()
    if not text:
        raise Unusable("the reply is empty")
    value = text if schema is None else read_object(text, schema)
    if check is not None and (fault := check(value)):
        raise Unusable(fault)
    return value


def read_object(text: str, schema: type[BaseModel]) -> BaseModel:
    """The one JSON object of this schema in the text, with whatever words and marks models put around and into it.

    What is not closed is never completed; of several that say different things none is chosen.
    """
    fault = ""
    try:
        for objects in objects_in(text):
            followed = [follow(value, schema) for value in objects]
            good: list[BaseModel] = []
            for one in (one for some, _ in followed for one in some):
                good += [] if one in good else [one]
            if len(good) > 1:
                raise Unusable(f"the reply holds {len(good)} different JSON objects; answer with one")
            if good:
                return good[0]
            fault = fault or followed[0][1]
    except Doubtful as error:
        raise Unusable(f"the reply is not valid JSON: {error}") from None
    raise Unusable(fault or "the reply holds no whole JSON object")


def follow(value: Any, schema: type[BaseModel], depth: int = DEPTH) -> tuple[list[BaseModel], str]:
    """The object itself, or those inside it, that follow the schema; and what the object itself lacks."""
    try:
        return [schema.model_validate(value)], ""
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()[:5]]
        fault = f"the JSON does not follow the schema: {'; '.join(faults)}"
    inside = [one for one in value.values() if isinstance(one, dict)] if depth else []
    return [good for one in inside for good in follow(one, schema, depth - 1)[0]], fault
