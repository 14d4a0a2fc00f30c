"""The story of judging: verdicts that still hold are kept, the rest is asked, every file is written whole."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_builders.shared.errors import UserError
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say

from ..held_out import read_sides
from ..scoring.score_files import TaskScore
from ..scoring.score_judged import score_judged
from .answers_to_judge import AnswerFile
from .candidate import Candidate
from .judge_files import is_judged, judge_folder, judged_row, read_judged, unjudged_row, write_judged
from .verdict import Identity, Judgement

NOT_ASKED = "not asked: the run ended before"


class Judge(Protocol):
    identity: Identity

    def check(self, candidates: Sequence[Candidate]) -> None: ...

    def more(self, one: Candidate) -> dict: ...

    def judge(
        self, candidates: Sequence[Candidate], take: Callable[[Candidate, Judgement | str, dict], None]
    ) -> None: ...

    def given_by_another(self, rows: Iterable[dict], earlier: Iterable[dict]) -> list[dict]: ...


@dataclass(frozen=True)
class Judged:
    """One answers file after judging. `score` is None where no row is judged."""

    answers: AnswerFile
    path: Path
    rows: list[dict]
    unjudged: list[dict]
    kept: int  # verdicts of an earlier start
    score: TaskScore | None


def judge_file(answers: AnswerFile, judge: Judge, folder: Path | None = None) -> tuple[Judged, Exception | None]:
    """Judge one file's answers into <folder>/<name>, by default judged/<judge>/ beside the answers.

    Two who judge into one folder do so one after the other, and the second asks what the first left open. The error
    that ended it early comes back with what was judged until then.
    """
    folder = folder or answers.path.parent / "judged" / judge_folder(judge.identity.name)
    path = folder / answers.path.name
    if path.resolve() == answers.path.resolve():
        raise UserError(f"--out {folder} would put the judge's file in place of the answers")
    judge.check(answers.candidates)
    waiting = f"{folder}: another process judges there; waiting for its verdicts"
    with locked(folder / ".lock", waiting=waiting):
        return _judged(answers, judge, path)


def _judged(answers: AnswerFile, judge: Judge, path: Path) -> tuple[Judged, Exception | None]:
    more = {one.key: judge.more(one) for one in answers.candidates}
    verdicts = still_valid(path, answers, judge, more)
    earlier, failed = list(verdicts.values()), {}

    def take(one: Candidate, verdict: Judgement | str, by: dict) -> None:
        if isinstance(verdict, str):
            failed[one.key] = verdict
        else:
            verdicts[one.key] = judged_row(one, judge.identity, verdict, more[one.key] | by)

    def judge_open() -> None:
        if open_ones := [one for one in answers.candidates if one.key not in verdicts]:
            judge.judge(open_ones, take)

    error = None
    try:
        judge_open()
        if strangers := judge.given_by_another(verdicts.values(), earlier):
            say(
                f"{path}: {len(strangers)} verdicts are of another model than judges now; judged again", file=sys.stderr
            )
            for row in strangers:
                del verdicts[row["image"], row["question"]]
            earlier = [row for row in earlier if row not in strangers]
            judge_open()
    except (UserError, KeyboardInterrupt) as caught:
        error = caught
    rows = [verdicts[one.key] for one in answers.candidates if one.key in verdicts]
    unjudged = [
        unjudged_row(one, judge.identity, failed.get(one.key, NOT_ASKED))
        for one in answers.candidates
        if one.key not in verdicts
    ]
    write_judged(path, rows, unjudged)
    return Judged(answers, path, rows, unjudged, len(earlier), scored(answers, path, rows, unjudged)), error


def still_valid(path: Path, answers: AnswerFile, judge: Judge, more: dict[tuple, dict]) -> dict[tuple, dict]:
    """The rows of an earlier start that judge exactly these answers in exactly this way."""
    if not path.exists():
        return {}
    before = {(row.get("image"), row.get("question")): row for row in read_judged(path)}
    wanted = judge.identity.fields()
    found, otherwise = {}, 0
    for one in answers.candidates:
        row, own = before.get(one.key), more[one.key]
        if row is None or "judge_request" not in own:  # a judge without requests is so quick that nothing is kept
            continue
        if is_judged(row) and row.get("answer") == one.answer and {**wanted, **own}.items() <= row.items():
            found[one.key] = row
        else:
            otherwise += is_judged(row) and row.get("answer") == one.answer
    if otherwise:
        say(f"{path}: {otherwise} verdicts by another judge, or asked otherwise; judged again", file=sys.stderr)
    return found


def scored(answers: AnswerFile, path: Path, rows: list[dict], unjudged: list[dict]) -> TaskScore | None:
    if not rows:
        return None
    notes = []
    missing = (answers.total or 0) - len(answers.candidates)
    if missing > 0:
        notes.append(f"{missing} of {answers.total} questions have no answer and are left out")
    thoughts = sum(one.thoughts > 0 for one in answers.candidates)
    if thoughts:
        notes.append(f"{thoughts} answers came with thoughts, which are left out")
    cut = sum("answer_characters_left_out" in row for row in rows)
    if cut:
        notes.append(f"{cut} answers were cut before they were sent to the judge")
    run = answers.path.absolute().parent.parent.parent  # where the answers lie in <run>/answers/<checkpoint>/
    sides = read_sides(run).get(answers.task.name)
    return score_judged(answers.task, path, [*rows, *unjudged], notes, sides)
