"""The labels that may stand beside a right one, siblings first, drawn without ordering thousands of them."""

from collections.abc import Collection, Iterable, Iterator

from .shared.seeding import Draws


class LabelPool:
    """All labels of one level, grouped by the label above them; a label above which nothing is known stands alone.

    The same name may stand in two groups (a genus of plants may be called as one of birds).
    """

    def __init__(self, labels: Iterable[tuple[str, str | None]]) -> None:
        """(label, the label above it or None), repeated as often as they come."""
        groups: dict[tuple, dict[str, None]] = {}
        for label, above in dict.fromkeys(labels):
            groups.setdefault((above,) if above is not None else (None, label), {})[label] = None
        self._labels = [label for group in groups.values() for label in group]
        self._spans: dict[tuple[str, str | None], tuple[int, int, int]] = {}  # (place, first of the group, its size)
        first = 0
        for (above, *_), group in groups.items():
            for place, label in enumerate(group, first):
                self._spans[label, above] = place, first, len(group)
            first += len(group)
        self.labels = tuple(dict.fromkeys(self._labels))

    def others(self, label: str, above: str | None, draws: Draws) -> Iterator[str]:
        """All other labels, each drawn when asked for: the siblings in a drawn order, then the rest in another."""
        place, first, size = self._spans[label, above]
        labels, given = self._labels, {label}
        for number in draws.order(size - 1):
            other = labels[first + number + (first + number >= place)]
            given.add(other)
            yield other
        for number in draws.order(len(labels) - size):
            other = labels[number if number < first else number + size]
            if other not in given:
                given.add(other)
                yield other

    def not_among(self, labels: Collection[str], draws: Draws) -> Iterator[str]:
        """All labels but these, in a drawn order."""
        for number in draws.order(len(self.labels)):
            if self.labels[number] not in labels:
                yield self.labels[number]
