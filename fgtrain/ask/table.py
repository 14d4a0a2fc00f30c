"""Replies as a table: one row a photo and checkpoint."""

import csv
from collections.abc import Iterable
from pathlib import Path

from data_builders.shared.files import atomic_write
from data_builders.shared.terminal import printable

from .model import Reply
from .names import SHOWN

COLUMNS = ("photo", "checkpoint", "question", "said", "finished")
OF_NAMES = ("name", "level", "probability", "uncertain", "listed")


def write_table(path: Path, replies: Iterable[Reply], names: bool) -> int:
    """Write the table, whole or not at all; returns how many rows it has. With `names`: name, level, probability,
    uncertain (empty, "half" or "list"), listed, then the likeliest names with their levels and probabilities."""
    likeliest = [f"{what}_{place}" for place in range(1, SHOWN + 1) for what in ("name", "level", "probability")]
    count = 0
    with atomic_write(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *(OF_NAMES + tuple(likeliest) if names else ())])
        for reply in replies:
            table.writerow([printable(cell) for cell in _row(reply)])
            count += 1
    return count


def _row(reply: Reply) -> list[object]:
    row: list[object] = [reply.photo, reply.checkpoint, reply.question, reply.said, "yes" if reply.finished else "no"]
    if (named := reply.names) is None:
        return row
    row += [named.name, named.level, _number(named.probability), named.uncertain, _number(named.listed)]
    for name, level, share in named.likeliest:
        row += [name, level, _number(share)]
    return row + [""] * 3 * (SHOWN - len(named.likeliest))


def _number(value: float) -> str:
    return f"{value:.4f}"
