"""What counts as an answer: text that is there and, where JSON is asked for, follows its schema."""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

Check = Callable[[Any], str | None]  # the answer -> what is wrong with it, None when nothing is


class Unusable(ValueError):
    """The reply is no answer; the text says why, in words that the model can be told."""


def parse(text: str, schema: type[BaseModel] | None, check: Check | None = None) -> Any:
    """The text without blanks around it, or an object of `schema`. Unusable when it is neither."""
    # Reasoning models on plain servers put their thoughts before the answer.
    text = text.rpartition("</think>")[2].strip()
    if not text:
        raise Unusable("the reply is empty")
    value = text if schema is None else read_object(text, schema)
    if check is not None and (fault := check(value)):
        raise Unusable(fault)
    return value


def read_object(text: str, schema: type[BaseModel]) -> BaseModel:
    """The JSON object in the text, inside a code fence or after a few words as models write it."""
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    inner = fenced.group(1) if fenced else text
    start = inner.find("{")
    if start < 0:
        raise Unusable("the reply holds no JSON object")
    try:
        value, _ = json.JSONDecoder().raw_decode(inner, start)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unusable(f"the reply is not valid JSON: {error}") from None
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()[:5]]
        raise Unusable(f"the JSON does not follow the schema: {'; '.join(faults)}") from None
