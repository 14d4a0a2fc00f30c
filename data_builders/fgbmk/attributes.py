"""Attribute recognition: of every attribute whose value an image's annotation gives, a true/false question, of which
half are wrong, and a choice among all values of the attribute."""

from collections.abc import Collection, Iterator

from ..question_maker import Asker
from ..shared.errors import UserError
from ..shared.seeding import Draws
from ..sources import LabelledImage, Source
from ..templates import ATTRIBUTE_CHOICE, attribute_choice, attribute_true_false
from .published import question_row
from .task import FgbmkOptions, Files

KINDS = ("true_false", "choice")
# What FG-BMK calls the creatures of a meta-class in these questions.
SUBJECTS = {"aves": "bird"}


def files(asker: Asker, options: FgbmkOptions, kept: Collection[str] | None, dataset: str) -> Files:
    """<dataset>_attribute_questions.jsonl; image by image, attribute by attribute."""
    source = asker.source
    if not source.attribute_values:
        raise UserError(f"{has_none(source)}; leave the track out: --tracks hierarchy")
    kinds = [kind for kind in KINDS if options.kinds is None or kind in options.kinds]
    if not kinds:
        raise UserError(f"attribute questions are true_false or choice; kinds is {', '.join(options.kinds)}")
    return {f"{dataset}_attribute_questions.jsonl": rows(asker, options.wordings, kept, kinds)}


def has_none(source: Source) -> str:
    return f"{source.name} at {source.root} has no attributes"


def rows(
    asker: Asker, wordings: int, kept: Collection[str] | None, kinds: list[str], only: int | None = None
) -> Iterator[dict]:
    """`only`: the one wording in which all is asked, whichever is drawn."""
    source, number = asker.source, 0
    # FG-BMK has one wording here; the extended set has ten, as of the other kinds.
    wordings = len(ATTRIBUTE_CHOICE) if wordings > 4 else 1
    seen: dict[tuple[str, str], int] = {}
    for row, _ in asker.walk([], None):
        subject = asker.words(row, source.finest).meta
        subject = SUBJECTS.get(subject, subject)
        for attribute, value in row.attributes.items():
            values = values_of(asker, attribute, value, row)
            if len(values) < 2:
                continue  # nothing to tell apart
            seen[attribute, value] = place = seen.get((attribute, value), -1) + 1
            if kept is not None and row.image not in kept:
                continue
            draws = Draws(asker.seed, asker.purpose, "attribute", attribute, row.image)
            for kind in kinds:
                drawn = draws.below(wordings)
                which = drawn if only is None else only
                if kind == "choice":
                    question, answer = attribute_choice(which, attribute, subject, values), value
                else:
                    answer = "yes" if is_yes(asker, attribute, value, place) else "no"
                    asked = value if answer == "yes" else other(values, value, draws)
                    question = attribute_true_false(which, attribute, subject, asked)
                number += 1
                yield question_row(number, row.image, question, answer, "generic")


def values_of(asker: Asker, attribute: str, value: str, row: LabelledImage) -> tuple[str, ...]:
    values = asker.source.attribute_values.get(attribute, ())
    if value not in values:
        raise UserError(f"{row.image}: {attribute} is {value!r}, which is none of {', '.join(values) or 'no values'}")
    return values


def other(values: tuple[str, ...], value: str, draws: Draws) -> str:
    place = draws.below(len(values) - 1)
    return values[place + (place >= values.index(value))]


def is_yes(asker: Asker, attribute: str, value: str, place: int) -> bool:
    """Of every two questions about images with that value one is true."""
    first = bool(Draws(asker.seed, asker.purpose, "attribute", attribute, value, place // 2).below(2))
    return first if place % 2 == 0 else not first
