"""What a model has answered wrongly about training pictures, from an answers.jsonl of `python -m evaluation run`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .question_maker import plain
from .shared.errors import UserError
from .shared.files import read_jsonl
from .sources import LabelledImage, Source, same_name
from .writing.unsaid import unsaid_of

NEEDED = ("image", "question", "gold", "answer")


@dataclass(frozen=True)
class OwnAnswer:
    source: Source
    row: LabelledImage
    question: str
    right: str
    wrong: str


def wrong_answers(path: Path, sources: tuple[Source, ...], split: str) -> Iterator[OwnAnswer]:
    """The wrong ones in the file's order: those that do not hold the right name, as FG-BMK's rule reads them, nor one
    of its other names. An answer that says a name that is held out is left out.

    UserError for a row that is no answer, one about a picture that is none of the sources' training pictures (a test
    picture's would leak), one whose right answer is no name of its picture, and for a file without wrong answers.
    """
    if not path.is_file():
        raise UserError(f"answers: no file {path}. python -m evaluation run writes one, as OUT/answers.jsonl")
    train = {row.image: (source, row) for source in sources for row in source.split(split)}
    held_out = {row.image for source in sources if source.held_out is not None for row in source.held_out.images}
    unsaid = {source.name: unsaid_of(source) for source in sources}
    given = 0
    for number, answer in enumerate(read_jsonl(path), 1):
        place = f"{path}, line {number}"
        if any(not isinstance(answer.get(key), str) for key in NEEDED):
            raise UserError(f"{place}: no answer about a picture: it needs {', '.join(NEEDED)} as texts")
        if answer["image"] in held_out:
            continue
        if answer["image"] not in train:
            raise UserError(
                f"{place}: {answer['image']} is no {split} picture of {', '.join(one.name for one in sources)}. "
                f"Answers about test pictures would leak them into training: ask about training pictures"
            )
        source, row = train[answer["image"]]
        names = {same_name(source.label(row, level)) for level in source.levels}
        if same_name(answer["gold"]) not in names:
            raise UserError(
                f"{place}: its right answer, {answer['gold']!r}, is no name of the picture, which is {row.category!r}. "
                f"Leave the row out: only short answers' names are compared"
            )
        wrong = answer["answer"].strip()
        right = (answer["gold"], *source.aliases.get(row.category, ()))
        if not wrong or any(plain(name) in plain(wrong) for name in right) or unsaid[source.name].said_in(wrong):
            continue
        given += 1
        yield OwnAnswer(source, row, answer["question"], answer["gold"], wrong)
    if not given:
        raise UserError(f"answers: {path} has no wrong answer, so there is nothing to reject")
