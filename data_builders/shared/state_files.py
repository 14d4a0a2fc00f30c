"""Small JSON files that this program leaves for itself: read as what they should be, or refused with a way on."""

import hashlib
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from .errors import UserError
from .files import read_json, write_json
from .terminal import say

Kind = TypeVar("Kind")
CHECK = "check"  # key of a checksum over all others


def read_state(path: Path, kind: type[Kind], way_on: str) -> Kind:
    """The file's values as `kind` (a dataclass, `dict[str, float]`, ...). UserError, ending in `way_on`, when it is
    missing, cut off, no JSON, or of another shape."""
    try:
        values = read_json(path)
    except UserError as error:
        raise UserError(f"{error}. {way_on}") from None
    from pydantic import ValidationError  # takes its time to import

    try:
        return _adapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise UserError(f"{path} is not what this program writes there ({where}: {first['msg']}). {way_on}") from None


@lru_cache(maxsize=32)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def write_checked(path: Path, values: dict[str, Any]) -> None:
    """With a checksum, for `read_checked`."""
    write_json(path, {**values, CHECK: _check(values)})


def read_checked(path: Path) -> dict[str, Any] | None:
    """What `write_checked` wrote; None, with a word, where it is not that any more, and None where there is nothing."""
    if not path.is_file():
        return None
    try:
        values = read_json(path)
        if isinstance(values, dict) and values.pop(CHECK, None) == _check(values):
            return values
    except UserError:
        pass
    say(f"{path} is not what was written (cut off or altered); made anew", file=sys.stderr)
    return None


def _check(values: dict[str, Any]) -> str:
    text = json.dumps(json.loads(json.dumps(values)), sort_keys=True)  # as it will be read: keys are text
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
