"""Hierarchical granularity: true/false, choice and short-answer questions at the levels that FG-BMK asks about."""

from collections.abc import Collection, Iterator

from ..question_maker import KINDS, Asker
from ..shared.errors import UserError
from ..sources import Level, Source
from .published import PUBLISHED, category_of, file_of, level_of, question_row
from .task import FgbmkOptions, Files


def files(asker: Asker, options: FgbmkOptions, kept: Collection[str] | None, dataset: str) -> Files:
    """<dataset>/<level>/<level>_question_<kind>.jsonl; one question per image in each."""
    asked = [
        (level, kind) for level in levels(asker, options, dataset) for kind in kinds_at(asker, level, options, dataset)
    ]
    if not asked:
        raise UserError(f"nothing to ask about {asker.source.name}: {'; '.join(left_out(asker, options, dataset))}")
    asker.check_mined([level for level, _ in asked])
    for level, kind in asked:
        asker.check(kind, level)
    return {file_of(dataset, level_of(level), kind): rows(asker, kept, level, kind) for level, kind in asked}


def levels(asker: Asker, options: FgbmkOptions, dataset: str) -> list[Level]:
    source = asker.source
    published = PUBLISHED[dataset].levels if dataset in PUBLISHED else ()
    usual = [level for level in source.levels if level.name in published] or source.levels
    return source.chosen(options.levels, usual)


def kinds_at(asker: Asker, level: Level, options: FgbmkOptions, dataset: str) -> list[str]:
    """The kinds asked at a level: those of the options, or all that it allows."""
    kinds = [kind for kind in KINDS if not unfit(asker, level, kind)] if options.kinds is None else list(options.kinds)
    if options.kinds is not None and "short_answer" in kinds and (reason := several(asker, level)):
        raise UserError(f"{reason}; write --kinds true_false,choice")
    if not with_short_answers(asker.source, level, options, dataset):
        kinds = [kind for kind in kinds if kind != "short_answer"]
    return kinds


def with_short_answers(source: Source, level: Level, options: FgbmkOptions, dataset: str) -> bool:
    published = PUBLISHED.get(dataset)
    if options.short_answers == "published" and options.kinds is None and published and level.name in published.levels:
        return level.name in published.short_answers
    return options.short_answers != "finest" or level is source.finest


def left_out(asker: Asker, options: FgbmkOptions, dataset: str) -> list[str]:
    """Why kinds that nobody chose are not asked, one text for each."""
    if options.kinds is not None:
        return [f"short_answers is {options.short_answers}, and of none of these levels"]
    reasons = (unfit(asker, level, kind) for level in levels(asker, options, dataset) for kind in KINDS)
    return [reason for reason in reasons if reason]


def unfit(asker: Asker, level: Level, kind: str) -> str:
    return (kind == "short_answer" and several(asker, level)) or asker.too_few(kind, level)


def several(asker: Asker, level: Level) -> str:
    source = asker.source
    if not (source.multi_label and level is source.finest):
        return ""
    return f"a short answer names one label, and an image of {source.name} may bear several of level {level.name}"


def rows(asker: Asker, kept: Collection[str] | None, level: Level, kind: str) -> Iterator[dict]:
    for number, (row, places) in enumerate(asker.walk([level], kept), 1):
        question, answer = asker.ask(kind, row, level, places[level.name])
        yield question_row(number, row.image, question, answer, category_of(asker.source, row, level, kind))
