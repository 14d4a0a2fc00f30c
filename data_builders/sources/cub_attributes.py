"""CUB-200-2011's attributes: 28 groups with 312 values, said of each image, or of each class.

A group with several values at once (a wing both black and white) is left out of an image's attributes: a question
about it would have more than one right answer.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..shared.errors import UserError
from .reading import numbered_lines, readable, spelled

PROBABLY = 3  # certainties.txt: 1 not visible, 2 guessing, 3 probably, 4 definitely
BLOCK = 1 << 19  # bytes of image_attribute_labels.txt (3.7 million lines) read at once
COLUMNS = 5  # image id, attribute id, is present, certainty, seconds


class Attributes:
    """attributes.txt: `pairs` of (group, value), in the official order; empty when there is no such file."""

    def __init__(self, root: Path):
        self.folder = root / "attributes"
        # The official archive has the names one folder above the data set.
        places = (self.folder / "attributes.txt", root.parent / "attributes.txt")
        self.names = next((path for path in places if path.exists()), None)
        self.pairs: list[tuple[str, str]] = []
        for number, line in numbered_lines(self.names) if self.names else ():
            found = re.fullmatch(r"(\d+) (?:has_)?(.+?)::(.+)", line)
            if not found or int(found[1]) != len(self.pairs) + 1:
                raise UserError(
                    f'{self.names}, line {number}: expected "{len(self.pairs) + 1} group::value", not {line!r}'
                )
            self.pairs.append((readable(found[2]), spelled(found[3]).lower()))

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """group -> its values."""
        groups: dict[str, list[str]] = {}
        for group, value in self.pairs:
            groups.setdefault(group, []).append(value)
        return {group: tuple(values) for group, values in groups.items()}

    def of_images(self, image_ids: Iterable[str]) -> dict[str, dict[str, str]] | None:
        """image id -> {"wing color": "red", ...}: what was marked present with certainty probably or definitely.

        None when there is no image_attribute_labels.txt.
        """
        path = self.folder / "image_attribute_labels.txt"
        if not self.pairs or not path.exists():
            return None
        wanted = list(image_ids)
        groups = {group: number for number, group in enumerate(self.values)}
        group_of = np.array([groups[group] for group, _ in self.pairs])
        found: dict[str, dict[str, str]] = {image: {} for image in wanted}
        mentioned: set[str] = set()
        several: set[tuple[int, int]] = set()
        for table in blocks(path, len(self.pairs)):
            mentioned.update(map(str, np.unique(table[:, 0]).tolist()))
            present = table[(table[:, 2] == 1) & (table[:, 3] >= PROBABLY)]
            for image, attribute in present[:, :2].tolist():
                values, (group, value) = found.get(str(image)), self.pairs[attribute - 1]
                if values is None:  # a slice of the classes may keep the whole file
                    continue
                if values.setdefault(group, value) != value:
                    several.add((image, int(group_of[attribute - 1])))
        named = list(groups)
        for image, group in several:
            del found[str(image)][named[group]]
        if absent := next((image for image in wanted if image not in mentioned), None):
            raise UserError(f"{path} has no line for image {absent} of images.txt; unpack it again")
        return found

    def of_classes(self, class_ids: list[str]) -> dict[str, dict[str, str]]:
        """class id -> attributes: of each group the value most annotators gave, if at least half did."""
        found: dict[str, dict[str, str]] = {}
        for key, shares in self.shares_of_classes(class_ids).items():
            best: dict[str, tuple[float, str]] = {}
            for (group, value), share in shares.items():
                if share >= 0.5 and share > best.get(group, (0, ""))[0]:
                    best[group] = (share, value)
            found[key] = {group: value for group, (_, value) in best.items()}
        return found

    def shares_of_classes(self, class_ids: list[str]) -> dict[str, dict[tuple[str, str], float]]:
        """class id -> (group, value) -> share of the annotators who gave it, 0..1; empty when there is no such file."""
        path = self.folder / "class_attribute_labels_continuous.txt"
        if not self.pairs or not path.exists():
            return {}
        lines = list(numbered_lines(path))
        # A slice of the classes keeps the lines of its own classes, or all 200.
        places = range(len(class_ids)) if len(lines) == len(class_ids) else [int(key) - 1 for key in class_ids]
        found = {}
        for key, place in zip(class_ids, places, strict=True):
            numbers = [float(value) for value in lines[place][1].split()] if place < len(lines) else []
            if len(numbers) != len(self.pairs):
                raise UserError(
                    f"{path}, class {key}: {len(numbers)} values, but {self.names} lists {len(self.pairs)} attributes"
                )
            found[key] = {pair: percent / 100 for pair, percent in zip(self.pairs, numbers, strict=True)}
        return found


def blocks(path: Path, attributes: int) -> Iterator[np.ndarray]:
    """The file's first four columns as integers, many lines at a time. UserError names a wrong line."""
    with open(path, "rb") as file:
        first = 1  # the block's first line
        while block := file.read(BLOCK):
            block += file.readline()
            yield parse(block, attributes, f"{path}", first)
            first += block.count(b"\n")


def parse(block: bytes, attributes: int, path: str, first: int) -> np.ndarray:
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # where a value is no number, older versions of numpy only warn
        try:
            numbers = np.fromstring(block, sep=" ")
        except (ValueError, DeprecationWarning):
            numbers = np.empty(0)
    if numbers.size == COLUMNS * lines:
        table = numbers.reshape(lines, COLUMNS)[:, :4]
        whole = table.astype(np.int64)
        if (whole == table).all() and valid(whole, attributes).all():
            return whole
    # The official file has some lines with columns too many; the first four are right.
    rows = []
    for number, line in enumerate(block.splitlines(), first):
        try:
            row = [int(value) for value in line.split()[:4]]
        except ValueError:
            row = []
        if not row and not line.strip():
            continue
        if len(row) != 4 or not valid(np.array([row]), attributes)[0]:
            raise UserError(
                f'{path}, line {number}: expected "image id, attribute id (1 to {attributes}), 0 or 1, certainty '
                f'(1 to 4), seconds", not {line[:80].decode(errors="replace")!r}'
            )
        rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def valid(table: np.ndarray, attributes: int) -> np.ndarray:
    image, attribute, present, certainty = table.T
    return (
        (image > 0)
        & (attribute >= 1)
        & (attribute <= attributes)
        & ((present == 0) | (present == 1))
        & (certainty >= 1)
        & (certainty <= 4)
    )
