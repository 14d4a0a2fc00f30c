"""A plan as a JSON file, and back."""

import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_builders.shared.files import read_json, write_json
from data_builders.shared.terminal import say
from fgtrain.errors import UserError

from .schema import Plan


def write_plan(plan: Plan, path: Path) -> None:
    write_json(path, plan.model_dump(mode="json"))


def earlier_plan(path: Path) -> dict[str, Any]:
    """What stands in a plan's file, whatever version wrote it; empty, with a word, where it cannot be read."""
    if not path.is_file():
        return {}
    try:
        values = read_json(path)
        if isinstance(values, dict):
            return values
    except UserError:
        pass
    say(f"{path} cannot be read (cut off or altered); what the run was begun with is not compared", file=sys.stderr)
    return {}


def read_plan(path: Path) -> Plan:
    """The plan in a JSON file. UserError when it is not one."""
    try:
        return Plan.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is not a plan of this version ({where}: {first['msg']})") from None
