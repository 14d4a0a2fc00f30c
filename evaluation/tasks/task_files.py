"""A task file is a small YAML: which question files it reads, the prompt suffix, named rules, cluster key, version.

Built in are those of this folder; a process may be told of folders with a user's own (docs/extending/tasks.md).

A spec may match several files in the data folders; every file becomes a task of its own (`fgbmk/cub/species/choice`).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from data_builders.shared.errors import UserError

from ..scoring.own_rules import rules_code
from .own_files import check_own
from .task import BESIDE, CONDITION, Cluster, Group, Task

SPEC_FOLDER = Path(__file__).parent
_own_folders: list[Path] = []
FGBMK_KINDS = ("choice", "true_false", "short_answer")
KINDS = {"frow": "open", "text": "text"}
ATTRIBUTE_FILE = "_attribute_questions"


def one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class TaskSpec(BaseModel):
    """One YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str  # may hold {dataset}, {level}, {type}
    task: str  # the tasks' names; may hold {dataset}, {level}, {type}
    group: Group
    version: int  # raised whenever the same answers would get another score
    reader: Literal["fgbmk", "names", "frow", "questions", "text"]
    files: Annotated[tuple[str, ...], BeforeValidator(one_or_more)]  # globs, relative to a data folder
    suffix: str = ""  # appended to every question
    max_new_tokens: int = 32
    rules: tuple[str, ...]
    primary: str  # the rule whose first metric stands for the task
    per_category: bool = False
    kind: str = ""  # the tasks' kind, where the files' place does not tell it
    # Keys of the question rows; "metadata.skills" looks inside, and a row may have several values (see `group_values`).
    groups: tuple[str, ...] = ()  # by whose values the score is also given
    mean_of: str = ""  # over whose values the score is averaged: the splits or parts of a benchmark
    ranked: str = ""  # one of `groups`: its worst, best and spread are scores of their own
    details: tuple[str, ...] = ()  # that the rules need
    headline: str = ""  # the metric that stands for the task; default the first of the primary rule
    cluster: Cluster = "image"  # answers with the same value are resampled together for every interval
    build: str  # the command that makes the missing files


def use_tasks_from(folders: Iterable[Path | str]) -> None:
    """From here on this process knows the task files in these folders, too. UserError where there are none, and for
    one that is broken or takes what another has.
    """
    for folder in map(Path, folders):
        known = folder.resolve()
        if not known.is_dir():
            raise UserError(f"no folder {folder}, which should hold task files (*.yaml)")
        if not list(known.glob("*.yaml")):
            raise UserError(f"{folder} holds no task file (*.yaml)")
        if known not in _own_folders:
            _specs((*_own_folders, known))
            _own_folders.append(known)


def all_specs() -> dict[str, TaskSpec]:
    """Every task file by its name."""
    return _specs(tuple(_own_folders))


@cache
def _specs(own: tuple[Path, ...]) -> dict[str, TaskSpec]:
    specs: dict[str, TaskSpec] = {}
    for folder in (SPEC_FOLDER, *own):
        for path in sorted(folder.glob("*.yaml")):
            try:
                spec = TaskSpec(**yaml.safe_load(path.read_text(encoding="utf-8")))
            except (ValidationError, TypeError, yaml.YAMLError, UnicodeDecodeError) as error:
                raise UserError(f"{path}: {error}") from None
            if spec.name != path.stem:
                raise UserError(f"{path}: name is {spec.name!r}, not the file's name {path.stem!r}")
            if folder != SPEC_FOLDER:
                check_own(path, spec, specs)
            specs[spec.name] = spec
    return specs


def own_hash(spec: TaskSpec) -> str:
    """16 hexadecimal digits over a user's own task file and the code of its rules that are the user's own, too; "" of
    one of ours, whose version tells when scores change."""
    if spec.name in _specs(()):
        return ""
    told = json.dumps([spec.model_dump(mode="json"), rules_code(spec.rules)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def task_fields(spec: TaskSpec, path: Path) -> dict[str, str]:
    """dataset, level and type of one question file, from where it lies."""
    if spec.reader == "fgbmk" and path.stem.endswith(ATTRIBUTE_FILE):
        return {"dataset": path.stem.removesuffix(ATTRIBUTE_FILE), "level": "", "type": spec.kind}
    if spec.reader == "names":
        return {"dataset": path.parents[1].name, "level": path.parent.name, "type": spec.kind}
    if spec.reader == "fgbmk" and spec.kind:
        return {"dataset": path.parent.name, "level": "", "type": spec.kind}
    if spec.reader == "fgbmk":
        # the published files are not all spelt alike: class_question_true_flase.jsonl
        stem = path.stem
        kind = "choice" if "choice" in stem else "short_answer" if "short" in stem else "true_false"
        return {"dataset": path.parents[1].name, "level": path.parent.name, "type": kind}
    if spec.reader == "frow":
        return {"dataset": path.stem.removesuffix("_with_reference"), "level": "", "type": KINDS["frow"]}
    return {"dataset": path.parent.name, "level": "", "type": spec.kind or KINDS.get(spec.reader, path.parent.name)}


def key_name(key: str) -> str:
    """What a key of the question rows is called in scores: "metadata.skills" is skills.

    But "metadata.category" is metadata_category: every row has a category, and that is another.
    """
    last = key.rsplit(".", 1)[-1]
    return key.replace(".", "_") if last == "category" else last


def make_task(spec: TaskSpec, fields: dict[str, str], **more) -> Task:
    return Task(
        name=spec.task.format(**fields),
        title=spec.title.format(**fields).replace("_", " "),
        group=spec.group,
        version=spec.version,
        kind=fields["type"],
        rules=spec.rules,
        primary=spec.primary,
        max_new_tokens=spec.max_new_tokens,
        per_category=spec.per_category,
        suffix=spec.suffix,
        groups=tuple(map(key_name, spec.groups)),
        mean_of=key_name(spec.mean_of),
        ranked=key_name(spec.ranked),
        headline=spec.headline,
        cluster=spec.cluster,
        spec_hash=own_hash(spec),
        **more,
    )


def selects(selector: str, spec: TaskSpec, task_name: str) -> bool:
    """Does `selector` mean this task: the task file's name, the task's name, a part of it up to a "/", or a glob."""
    return (
        selector in (spec.name, task_name) or task_name.startswith(selector + "/") or fnmatchcase(task_name, selector)
    )


def group_of(task_name: str, group: str, groups: Mapping[str, str]) -> str:
    """The group of a task: that of the last of `groups` (selector -> group) that means it, else `group`, its file's.
    A perturbed task keeps its own."""
    if CONDITION in task_name:
        return group
    spec = spec_of(task_name)[0] if groups else None
    for selector, other in groups.items():
        group = other if selects(selector, spec, task_name) else group
    return group


def find_files(spec: TaskSpec, data: Iterable[Path]) -> list[tuple[Path, dict[str, str]]]:
    """The question files of one spec with their fields, data folders in order, each folder's files by path."""
    return [
        (path, task_fields(spec, path))
        for folder in data
        for path in sorted(path for pattern in spec.files for path in folder.glob(pattern))
    ]


def could_select(selector: str, spec: TaskSpec) -> bool:
    """Might `selector` mean a task of this spec, whatever files there are? Used for the message when none is found."""
    head, variable, _ = spec.task.partition("{")
    if selector in (spec.name, spec.task):
        return True
    plain = re.split(r"[*?\[]", selector)[0]
    if plain != selector:
        return plain.startswith(head) or head.startswith(plain) if variable else fnmatchcase(head, selector)
    return bool(plain) and ((bool(variable) and plain.startswith(head)) or f"{head}/".startswith(f"{plain}/"))


def spec_of(name: str) -> tuple[TaskSpec, dict[str, str]]:
    """The task file and the fields of a task's full name, without its condition. UserError when no task is named so."""
    name = name.partition(CONDITION)[0]
    for spec in all_specs().values():
        parts, values = spec.task.split("/"), name.split("/")
        if len(parts) != len(values) or not all(values):
            continue
        if any(part != value for part, value in zip(parts, values, strict=True) if not part.startswith("{")):
            continue
        fields = {"dataset": "", "level": "", "type": spec.kind or KINDS.get(spec.reader, values[-1])}
        fields |= {part[1:-1]: value for part, value in zip(parts, values, strict=True) if part.startswith("{")}
        if spec.reader == "fgbmk" and not spec.kind and fields["type"] not in FGBMK_KINDS:
            raise UserError(f"task {name!r}: the last part must be one of {', '.join(FGBMK_KINDS)}")
        return spec, fields
    known = ", ".join(spec.task for spec in all_specs().values())
    raise UserError(f"unknown task {name!r}; tasks are named {known}. Of a task of your own: --tasks-from DIR")


def task_without_items(name: str) -> Task:
    """The task of that full name as far as its spec tells, to score answers without the question file. UserError."""
    task = make_task(*spec_of(name))
    condition = name.partition(CONDITION)[2]
    if not condition:
        return task
    return replace(task, name=name, title=f"{task.title}, {condition.replace('_', ' ')}", group=BESIDE)
