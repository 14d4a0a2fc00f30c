"""Items with everything that identifies their answers: image bytes, prompt, settings."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.benchmark_images import where_to_look
from data_builders.shared.code_identity import code_of
from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file
from data_builders.shared.pictures import ChangedPicture, file_of, open_image

from ..protocols import Answerer
from ..shared.texts import text_hash

if TYPE_CHECKING:
    from ..tasks.task import Item, Task

ENGINE = "evaluation.asking.one_batch"  # how a question becomes an answer here, with all that it imports


@dataclass(frozen=True)
class Asked:
    """One item with everything that identifies its answer."""

    task: "Task"
    item: "Item"
    image_hash: str
    prompt_hash: str
    settings_hash: str

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.image_hash, self.prompt_hash, self.settings_hash

    @property
    def key(self) -> tuple[str, int | str]:
        return self.task.name, self.item.question_id


@cache
def checked_image_hash(path: Path, size: int, modified_ns: int) -> str:
    """Content hash of an image that decodes; remembered per (path, size, time), as the same images are asked often."""
    open_image(path)
    return sha256_file(path)[:32]


def changed_hash(image_hash: str, picture: Path | ChangedPicture) -> str:
    """The picture's identity from its file's: with what is done to it, and with all that decides how."""
    if not isinstance(picture, ChangedPicture):
        return image_hash
    return text_hash(json.dumps([image_hash, picture.change.settings], sort_keys=True))


def hash_images(tasks: "list[Task]") -> dict[Path | ChangedPicture, str]:
    """The hash of every image of the items, each opened once. UserError names the first question without its image."""
    wanted: dict[Path | ChangedPicture, tuple[Task, Item]] = {}
    for task in tasks:
        for item in task.items:
            if item.image_path is not None:
                wanted.setdefault(item.image_path, (task, item))
    hashes = {}
    for picture, (task, item) in wanted.items():
        path = file_of(picture)
        try:
            found = path.stat()
            hashes[picture] = changed_hash(checked_image_hash(path, found.st_size, found.st_mtime_ns), picture)
        except (UserError, OSError) as error:
            reason = error if isinstance(error, UserError) else f"no image {path}"
            hint = "" if path.exists() else where_to_look(task.source)
            raise UserError(
                f"task {task.name}, question {item.question_id!r} ({task.source}): {reason}{hint}"
            ) from None
    return hashes


def identify(tasks: "list[Task]", answerer: Answerer) -> list[Asked]:
    """Every item of the tasks with its identity. UserError for an image that is missing or broken."""
    hashes = hash_images(tasks)
    asked = []
    for task in tasks:
        settings = {"answerer": answerer.settings, "max_new_tokens": task.max_new_tokens}
        if "code" in answerer.settings:  # what is paid for does not become worthless because our code changes
            settings["engine"] = code_of(ENGINE).hash
        if task.names:
            settings["names"] = text_hash("\n".join(task.names))
        if task.is_text:
            settings["measure"] = "log_likelihood"
        settings_hash = text_hash(json.dumps(settings, sort_keys=True, default=str))
        for item in task.items:
            image_hash = hashes[item.image_path] if item.image_path is not None else ""
            asked.append(Asked(task, item, image_hash, text_hash(item.prompt), settings_hash))
    return asked
