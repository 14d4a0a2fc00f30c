"""What is asked: an item is one question, a task a file of them with the way to ask and to score it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_builders.shared.pictures import ChangedPicture

# Measured beside the means: what it measures is in them already, or says why they are what they are.
BESIDE = "beside"
CONDITION = "@"  # in the name of a task that asks another's questions about perturbed pictures
Group = Literal["fine_grained", "general", "beside"]
Cluster = Literal["image", "category", "question_id"]


@dataclass(frozen=True)
class Item:
    """One question. `gold` is a list where a benchmark accepts several answers."""

    question_id: int | str
    image: str | None  # as in the file
    image_path: Path | ChangedPicture | None
    question: str
    prompt: str  # the question with the task's suffix: what the model gets
    gold: str | list[str]
    category: str
    options: tuple[str, ...] = ()
    details: Mapping[str, object] = field(
        default_factory=dict
    )  # what the task's rules and groups need besides, by the key's name


@dataclass(frozen=True)
class Task:
    """A question file with the way to ask and score it. Without items it can still score answers read from disk."""

    name: str
    title: str
    group: Group
    version: int
    kind: str  # choice, true_false, short_answer, names, open, document, chart, ..., or text (perplexity)
    rules: tuple[str, ...]
    primary: str
    max_new_tokens: int = 32
    items: tuple[Item, ...] = ()
    image_root: str = ""
    source: Path | None = None
    per_category: bool = False
    suffix: str = ""
    names: tuple[str, ...] = ()  # kind names: all whose likelihood is wanted behind each picture, in their order
    groups: tuple[str, ...] = ()  # names of the spec's keys (`key_name`), as are the next two
    mean_of: str = ""
    ranked: str = ""
    headline: str = ""
    cluster: Cluster = "image"
    spec_hash: str = ""  # of a user's own task file and of its own rules' code
    notes: tuple[str, ...] = field(default=())

    @property
    def is_text(self) -> bool:
        """Is it plain text, whose perplexity is measured?"""
        return self.kind == "text"

    @property
    def needs_probabilities(self) -> bool:
        """Is it asked for probabilities alone, which a server does not give?"""
        return self.is_text or self.kind == "names"

    @property
    def file_name(self) -> str:
        """Of its answers and all that lies beside them."""
        return self.name.replace("/", "__") + ".jsonl"

    @property
    def plain_name(self) -> str:
        """The task whose questions these are: itself, but for a perturbed one."""
        return self.name.partition(CONDITION)[0]


def questions_hash(task: Task) -> str:
    """32 hexadecimal digits over what the task asks and holds to be right, in whatever order its file has it, and over
    what is done to its pictures; and over a task file of a user's own, with the code of its rules."""

    def line(item: Item) -> str:
        known = (item.question_id, item.image, item.prompt, item.gold, item.category, item.options)
        changed = (item.image_path.change.settings,) if isinstance(item.image_path, ChangedPicture) else ()
        return json.dumps((*known, *changed, *([item.details] if own else [])), default=str)

    own = [task.spec_hash] if task.spec_hash else []
    lines = sorted(map(line, task.items))
    return hashlib.sha256("\n".join([*lines, *task.names, *own]).encode()).hexdigest()[:32]
