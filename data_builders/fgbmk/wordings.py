"""Wordings side by side: every question of hierarchy and attributes in each of the four (or ten) wordings.

FG-BMK draws a wording for each question; its paper then asked anew in ten, and compared the two sums (Tables 7 and 8).
Here the very same question - picture, answer, wrong labels and their order - is asked in every wording, so what the
wording does is seen question by question. Ids are <number of the question>/<number of the wording>. The first four
wordings are FG-BMK's (of attributes the first one); its other six are not published, and ours stand in their place.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields

from ..question_maker import Asker
from ..sources import LabelledImage, Level
from ..templates import ATTRIBUTE_CHOICE
from . import attributes, hierarchy
from .task import FgbmkOptions, Files

ATTRIBUTES = "attributes"  # stands in the place of a level


@dataclass(frozen=True)
class OneWording(Asker):
    """Asks all that the asker would ask, in one wording: draws of labels and options do not depend on it."""

    which: int = 0

    def wording(self, kind: str, level: Level, row: LabelledImage, number: int) -> int:
        return self.which


def in_each_wording(asker: Asker, count: int) -> list[OneWording]:
    given = {one.name: getattr(asker, one.name) for one in fields(Asker) if one.init}
    return [OneWording(**given, which=which) for which in range(count)]


def files(asker: Asker, options: FgbmkOptions, kept: Collection[str] | None, dataset: str) -> Files:
    """<dataset>/<level>/<level>_question_<kind>.jsonl; a question about each image in every wording."""
    askers, found = in_each_wording(asker, options.wordings), {}
    for level in hierarchy.levels(asker, options, dataset):
        for kind in hierarchy.kinds_at(asker, level, options, dataset):
            asker.check(kind, level)
            found[name_of(dataset, level.published or level.name, kind)] = each(
                askers, lambda one, level=level, kind=kind: hierarchy.rows(one, kept, level, kind)
            )
    # FG-BMK's attribute questions have one wording, so that there is nothing to compare but in the extended set.
    if asker.source.attribute_values and options.wordings > 4:
        every = in_each_wording(asker, len(ATTRIBUTE_CHOICE))
        for kind in (kind for kind in attributes.KINDS if options.kinds is None or kind in options.kinds):
            found[name_of(dataset, ATTRIBUTES, kind)] = each(
                every, lambda one, kind=kind: attributes.rows(one, options.wordings, kept, [kind], one.which)
            )
    return found


def name_of(dataset: str, level: str, kind: str) -> str:
    return f"{dataset}/{level}/{level}_question_{kind}.jsonl"


def each(askers: list[OneWording], rows: Callable[[OneWording], Iterator[dict]]) -> Iterator[dict]:
    """The askers' rows, question by question."""
    for number, together in enumerate(zip(*map(rows, askers), strict=True), 1):
        for which, row in enumerate(together, 1):
            yield {**row, "question_id": f"{number}/{which}"}
