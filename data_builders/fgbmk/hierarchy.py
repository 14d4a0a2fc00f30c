"""Hierarchical granularity: true/false, choice and short-answer questions at every level."""

from collections.abc import Collection, Iterator

from ..asking import KINDS, Asker
from ..errors import UserError
from ..sources import Level
from .published import category_of, level_of, question_row
from .task import FgbmkOptions, Files


def files(asker: Asker, options: FgbmkOptions, kept: Collection[str] | None, dataset: str) -> Files:
    """<dataset>/<level>/<level>_question_<kind>.jsonl; one question per image in each."""
    source = asker.source
    levels = [source.level(name) for name in options.levels] if options.levels else list(source.levels)
    pairs = [(level, kind) for level in levels for kind in kinds_at(asker, level, options)]
    if not pairs:
        raise UserError("nothing to ask: short_answers is finest, which the levels given do not have")
    for level, kind in pairs:
        asker.check(kind, level)
    return {
        f"{dataset}/{level_of(level)}/{level_of(level)}_question_{kind}.jsonl": rows(asker, kept, level, kind)
        for level, kind in pairs
    }


def kinds_at(asker: Asker, level: Level, options: FgbmkOptions) -> list[str]:
    """The kinds asked at a level. UserError for short answers where an image bears several labels at once."""
    several = asker.source.multi_label and level is asker.source.finest
    if options.kinds is None:
        kinds = [kind for kind in KINDS if not (several and kind == "short_answer")]
    elif several and "short_answer" in options.kinds:
        raise UserError(
            f"a short answer names one label, and the images of {asker.source.name} bear several at level "
            f"{level.name}: write --kinds true_false,choice"
        )
    else:
        kinds = list(options.kinds)
    if options.short_answers == "finest" and level is not asker.source.finest:
        kinds = [kind for kind in kinds if kind != "short_answer"]
    return kinds


def rows(asker: Asker, kept: Collection[str] | None, level: Level, kind: str) -> Iterator[dict]:
    for number, (row, places) in enumerate(asker.walk([level], kept), 1):
        question, answer = asker.ask(kind, row, level, places[level.name])
        yield question_row(number, row.image, question, answer, category_of(asker.source, row, level, kind))
