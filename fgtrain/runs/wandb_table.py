"""Forgotten pictures as a table of W&B, whose pictures are files of an artifact."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.report.forgotten_pictures import Forgotten

COLUMNS = ("picture", "question", "true name", "answer before", "right until", "answer now", "task")
DATA_DIR = "WANDB_DATA_DIR"  # W&B's own variable: below it lies what an artifact still has to send


def pictures_table(items: "list[Forgotten]") -> Any:
    """A `wandb.Table` of COLUMNS, a row an item; one whose picture cannot be read has none."""
    import wandb
    from PIL import Image

    def shown(jpeg: bytes | None) -> Any:
        return None if jpeg is None else wandb.Image(Image.open(io.BytesIO(jpeg)), file_type="jpg")

    return wandb.Table(list(COLUMNS), [[shown(one.picture), *_texts(one)] for one in items])


def contents(items: "list[Forgotten]") -> list[list[str]]:
    """What the table holds, by which it is known again: pictures by their hash."""
    return [[hashlib.sha256(one.picture or b"").hexdigest(), *_texts(one)] for one in items]


def _texts(one: "Forgotten") -> list[str]:
    return [one.question, one.gold, one.before, one.at, one.now, one.task]


@contextmanager
def staged_beside(run: Any) -> Iterator[None]:
    """Pictures logged inside lie in the W&B run's own folder until they are sent.

    W&B would put them into the user's home, where an offline run copied or seen from elsewhere misses them
    (https://github.com/wandb/server/issues/149). A folder that the user has named himself stays.
    """
    if os.environ.get(DATA_DIR):
        yield
        return
    os.environ[DATA_DIR] = str(Path(run.dir).parent)
    try:
        yield
    finally:
        del os.environ[DATA_DIR]
