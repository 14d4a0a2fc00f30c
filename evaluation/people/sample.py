"""What people are to grade: answers of models, or generated open-world rows; drawn by address, evenly over strata."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.records import Manifest, images_of, read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import safe_join
from data_builders.shared.seeding import address_hash

from ..judging.answers_to_judge import AnswerFile
from ..judging.deterministic import DeterministicJudge
from ..judging.verdict import Judgement
from ..scoring.matching import JUDGE

OPEN_WORLD = "open_world"


@dataclass(frozen=True)
class Entry:
    """One thing to grade. `texts`: what the sheet shows; `about`: what only the key tells, as JSON has it."""

    stratum: tuple[Hashable, ...]
    image: str  # rows about one picture are resampled together
    picture: Path | None
    texts: dict[str, str]
    about: dict = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, ...]:
        return (*map(str, self.stratum), self.image, *self.texts.values())


def answers_to_grade(files: Sequence[AnswerFile]) -> list[Entry]:
    """All FROW answers of those files; strata are task, model and the rules' two grades, so that rare grades come."""
    categories = sorted({one.name for file in files for one in file.candidates})
    judge, found = DeterministicJudge(known=categories), []
    for file in files:
        grades: dict[tuple[str, str], tuple[float, float]] = {}

        def take(one, verdict: Judgement, more: dict, grades=grades) -> None:
            grades[one.key] = (verdict.item, verdict.fact)

        judge.judge(file.candidates, take)
        model = "/".join(file.path.resolve().parts[-4:-1])  # run/answers/checkpoint
        for one in file.candidates:
            item, fact = grades[one.key]
            found.append(
                Entry(
                    stratum=(file.task.name, model, item, fact),
                    image=one.image,
                    picture=one.image_path,
                    texts={"question": one.question, "reference": one.reference, "answer": one.answer},
                    about={
                        "task": file.task.name,
                        "answers": str(file.path.resolve()),
                        "question": one.question,
                        "answer": one.answer,
                        "grades": {JUDGE: [item, fact]},
                    },
                )
            )
    return found


def rows_to_audit(folder: Path) -> list[Entry]:
    """Every question of a training set's open-world rows; strata are source and category. UserError without any."""
    manifest, found = Manifest.load(folder), []
    root = Path(folder) / manifest.image_root
    for row in read_rows(folder):
        if row.get("kind") != OPEN_WORLD:
            continue
        image, turns = images_of(row)[0], row["conversations"]
        for asked, answered in zip(turns[::2], turns[1::2], strict=True):
            found.append(
                Entry(
                    stratum=(row["source"], row["category"]),
                    image=image,
                    picture=safe_join(root, image),
                    texts={
                        "question": asked["value"].replace("<image>", "").strip(),
                        "answer": answered["value"].strip(),
                    },
                    about={"id": row["id"], "source": row["source"], "category": row["category"]},
                )
            )
    if not found:
        raise UserError(f"{folder} has no rows of kind {OPEN_WORLD}: build it with python -m data_builders open_world")
    return found


def drawn(entries: Iterable[Entry], count: int, seed: int) -> list[Entry]:
    """`count` entries (all, where there are fewer), as many of each stratum as can be, in a drawn order.

    A function of the seed and the entries alone: the same command draws the same, and entries of other strata leave
    the order within one as it is.
    """
    strata: dict[tuple, list[tuple[int, Entry]]] = {}
    for one in entries:
        strata.setdefault(one.stratum, []).append((address_hash(seed, "person's sample", *one.address), one))
    queues = [sorted(strata[name], key=lambda pair: pair[0]) for name in sorted(strata, key=_place(seed))]
    chosen: list[tuple[int, Entry]] = []
    for turn in range(max(map(len, queues), default=0)):
        chosen += [queue[turn] for queue in queues if turn < len(queue)]
    return [one for _, one in sorted(chosen[:count], key=lambda pair: address_hash(seed, "person's order", pair[0]))]


def _place(seed: int):
    return lambda stratum: address_hash(seed, "person's strata", *stratum)
