"""Task files of a user's own: what one may not say, beside what the schema of every task file refuses."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data_builders.shared.errors import UserError

from ..scoring.own_rules import OWN_RULES, known_rules

if TYPE_CHECKING:
    from .task_files import TaskSpec

FIELDS = {"dataset": "D", "level": "L", "type": "T"}


def check_own(path: Path, spec: "TaskSpec", known: Mapping[str, "TaskSpec"]) -> None:
    """UserError for what would be a mistake later, or another task's answers. `known`: all specs read before."""
    if spec.name in known:
        raise UserError(f"{path}: name {spec.name} is taken by another task file. Rename the file and its name")
    for key in ("task", "title"):
        try:
            getattr(spec, key).format(**FIELDS)
        except (KeyError, IndexError, ValueError) as error:
            raise UserError(
                f"{path}: {key} is {getattr(spec, key)!r}; in braces may stand {', '.join(FIELDS)}"
            ) from error
    if "@" in spec.task or any(not part or part.startswith(".") or "\\" in part for part in spec.task.split("/")):
        raise UserError(f"{path}: task is {spec.task!r}; write parts of plain letters, separated by /")
    if clash := next((other for other in known.values() if overlap(spec.task, other.task)), None):
        raise UserError(
            f"{path}: task is {spec.task!r}, and names of {clash.name} ({clash.task}) may read the same. Begin it with "
            "a word of your own"
        )
    rules = known_rules()
    if absent := [rule for rule in spec.rules if rule not in rules]:
        raise UserError(
            f"{path}: rules names {absent[0]}, which is none; there are: {', '.join(sorted(rules))} (of your own: "
            f"entry points {OWN_RULES.group})"
        )
    if spec.primary not in spec.rules:
        raise UserError(f"{path}: primary is {spec.primary}, which is none of its rules ({', '.join(spec.rules)})")
    for pattern in spec.files:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or not pattern:
            raise UserError(
                f"{path}: files names {pattern!r}, which may lie outside the data folder. Write general/x/*.jsonl"
            )


def overlap(one: str, other: str) -> bool:
    """May tasks of the two patterns ("mine/{dataset}/{type}") have one name?"""
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    same_length = one.count("/") == other.count("/")
    return same_length and all(a == b or "{" in a or "{" in b for a, b in pairs)
