"""The story of a start: what still holds is kept, the rest is asked batch by batch, the files are put in order."""

import sys
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.locks import locked
from data_builders.shared.progress import progress
from data_builders.shared.terminal import say

from ..protocols import Answerer, Unanswered
from ..tasks.task import Task
from . import share as shares
from .answer_rows import Outcome, answer_row, identity_of, key_of, read_outcome, still_valid
from .asked import Asked, identify
from .batches import batches
from .coming import pictures_of, told_ahead, with_next
from .disk import append, json_line, rows_on_disk, write_lines
from .one_batch import Priors, ask_batch
from .share import Share
from .subset import subset_of, with_items
from .unanswered import write_unanswered

Answers = dict[tuple, dict]  # (task, question id) -> row


def ask(
    answerer: Answerer,
    tasks: list[Task],
    out: Path,
    *,
    subset: int | None = None,
    batch_size: int = 64,
    options: bool = True,
    share: Share = Share(),
) -> dict[str, list[dict]]:
    """Ask what is not yet answered; return every task's answer rows in the order of its items.

    `subset`: only that many items a task, always the same ones. `batch_size`: questions handed over at once; a kill
    costs at most these. `options`: weigh the options of closed questions too. `share`: this process's part; only the
    first process returns rows, when all have answered. Questions that got no answer have no row (`read_unanswered`).
    Raises UserError for an image that is missing or broken before anything is asked.
    """
    out = Path(out)
    if not getattr(answerer, "measures_text", True) and (texts := [task.name for task in tasks if task.is_text]):
        raise UserError(f"{answerer.name} gives no probabilities of a text: leave out {', '.join(texts)}")
    if not getattr(answerer, "measures_names", True) and (lists := [task.name for task in tasks if task.names]):
        raise UserError(
            f"{answerer.name} gives no probabilities of names: leave out {', '.join(lists)}, or ask the model on this "
            "machine (--model FOLDER --engine own)"
        )
    wanted = identify([with_items(task, subset_of(task, subset)) for task in tasks], answerer)
    mine = share.of(wanted)
    if not share.first:
        # Without anything to ask it makes no folder, which the first process may be about to take away.
        answers = reuse(answerer, tasks, wanted, out, share, write=False)
        if all(one.key in answers for one in mine):
            return {}
    folder = share.folder(out)
    waiting = f"{folder}: another process is asking into it; waiting for its answers"
    with locked(folder / ".lock", waiting=waiting):
        answers = reuse(answerer, tasks, wanted, out, share)
        earlier = [answers[one.key] for one in mine if one.key in answers]
        failures = ask_open(answerer, mine, answers, folder, batch_size, options)
        if drop_anothers(answerer, tasks, answers, earlier, folder):
            earlier = [row for row in earlier if (row["task"], row["question_id"]) in answers]
            failures = ask_open(answerer, mine, answers, folder, batch_size, options)
        say_what_is_kept(answerer, sum(one.key in answers for one in mine), earlier)
        if not share.first:
            return {}
        if share.size > 1:
            failed = {one.key for one, _ in failures}
            gather(answerer, tasks, [one for one in wanted if one.key not in failed], out, answers)
        by_task: dict[str, list[dict]] = {task.name: [] for task in tasks}
        for (name, _), row in answers.items():
            by_task[name].append(row)
        published = {task.name: publish(out / task.file_name, task, by_task[task.name], wanted) for task in tasks}
        shares.drop(shares.part_folders(out), out)
        write_unanswered(out, failures)
    return published


def ask_open(
    answerer: Answerer, mine: list[Asked], answers: Answers, folder: Path, batch_size: int, options: bool
) -> list[tuple[Asked, str]]:
    """Ask what `answers` lacks of `mine`, enter it there and on disk; return what got no answer, with the reason."""
    open_items = [one for one in mine if one.key not in answers]
    failures: list[tuple[Asked, str]] = []
    if not open_items:
        return failures
    by_key = {one.key: one for one in mine}
    known: dict[tuple, Outcome] = {
        identity_of(row): read_outcome(row, by_key[key]) for key, row in answers.items() if key in by_key
    }
    priors: Priors = {}
    title = f"asking {len({one.task.name for one in open_items})} tasks"
    with progress(title, "questions", len(open_items)) as advance, told_ahead(answerer) as expect:
        for batch, after in with_next(batches(open_items, batch_size)):
            expect(pictures_of([*batch, *after], known))
            replies = ask_batch(answerer, batch, known, options, priors)
            known |= {identity: one for identity, one in replies.items() if not isinstance(one, Unanswered)}
            rows = []
            for one in batch:
                if one.identity in known:
                    row = answers[one.key] = answer_row(one, answerer, known[one.identity])
                    rows.append((one.task.file_name, row))
                else:
                    failures.append((one, replies[one.identity].reason))
            append(rows, folder)
            advance(len(batch))
    return failures


def drop_anothers(
    answerer: Answerer, tasks: list[Task], answers: Answers, earlier: list[dict], folder: Path
) -> list[dict]:
    """Drop, and return, what is kept of another model that was served under the same name.

    Only an endpoint can tell, and only once it has answered: before, nobody sees who is served there.
    """
    told = getattr(answerer, "given_by_another", None)
    rows = told(answers.values(), earlier) if told else []
    for row in rows:
        del answers[row["task"], row["question_id"]]
    if rows:
        for task in tasks:
            left = [row for (name, _), row in answers.items() if name == task.name]
            write_lines(folder / task.file_name, "".join(map(json_line, left)))
        say(
            f"{folder}: {len(rows)} answers are of another model than is served there now; asked again", file=sys.stderr
        )
    return rows


def say_what_is_kept(answerer: Answerer, total: int, earlier: list[dict]) -> None:
    """`earlier`: the answers, of so many in all, that were on disk when this start began."""
    told = getattr(answerer, "kept", None)
    if told and (line := told(total, earlier)):
        say(line, file=sys.stderr)


def reuse(
    answerer: Answerer, tasks: list[Task], wanted: list[Asked], out: Path, share: Share, write: bool = True
) -> Answers:
    """The answers on disk that still hold, of all processes; with `write`, this one's files then hold nothing else."""
    by_key = {one.key: one for one in wanted}
    everything = {(task.name, item.question_id) for task in tasks for item in task.items}
    mine = share.folder(out)
    # Parts before the whole: they are deleted only after the whole holds their rows.
    folders = [one for one in shares.part_folders(out) if one != mine] + [out] + ([] if share.first else [mine])
    answers: Answers = {}
    stale = 0
    for task in tasks:
        kept = []
        for folder in folders:
            for row in rows_on_disk(folder / task.file_name):
                key = key_of(task, row)
                if key in answers:
                    continue  # in a part and in the whole: the first process was killed between two moves
                if key not in everything:
                    stale += 1
                    continue
                asked = by_key.get(key)
                if asked is not None and still_valid(row, asked, answerer):
                    # the question file may have a new gold or category since; the answer to the same prompt still holds
                    row = answer_row(asked, answerer, read_outcome(row, asked))
                elif asked is not None or row.get("model_hash") != answerer.model_hash:
                    stale += 1
                    continue
                # else outside this subset; the full evaluation decides about it
                answers[key] = row
                if folder == mine:
                    kept.append(row)
        if write and (kept or (mine / task.file_name).exists()):
            write_lines(mine / task.file_name, "".join(map(json_line, kept)))
    if stale and share.first:
        say(f"{out}: {stale} answers are of another model, image, prompt or setting; asked again", file=sys.stderr)
    return answers


def gather(answerer: Answerer, tasks: list[Task], wanted: list[Asked], out: Path, answers: Answers) -> None:
    """Wait for the other processes' answers and enter them."""
    by_key = {one.key: one for one in wanted}
    missing = {key for key in by_key if key not in answers}
    total = len(missing)

    with progress("the other processes' answers", "questions", total) as advance:

        def take(task: Task, row: dict) -> None:
            key = key_of(task, row)
            if key in missing and still_valid(row, by_key[key], answerer):
                answers[key] = answer_row(by_key[key], answerer, read_outcome(row, by_key[key]))
                missing.remove(key)
                advance(1)

        shares.await_others(out, tasks, missing, take)


def publish(path: Path, task: Task, rows: list[dict], wanted: list[Asked]) -> list[dict]:
    """Put the file's rows into the order of the task's items (so that resumed = uninterrupted); return those wanted."""
    order = {item.question_id: place for place, item in enumerate(task.items)}
    rows = sorted(rows, key=lambda row: order[row["question_id"]])
    write_lines(path, "".join(map(json_line, rows)))
    chosen = {one.item.question_id for one in wanted if one.task.name == task.name}
    return [row for row in rows if row["question_id"] in chosen]
