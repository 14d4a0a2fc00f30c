"""`preferences`: a question about a training image with two answers, the right one chosen and a wrong one rejected.

What is rejected is another name, a sibling's first ("which of two gulls"), or what a model itself has answered wrongly
about the same picture: `--answers FILE`, an answers.jsonl of `python -m evaluation run` over questions about training
pictures. Each pair is a row of its own, in which the conversation ends with the question (see records.py).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from .builder import Builder
from .mined_negatives import identity_of, mined_of, words_or_file
from .options import TrainingOptions, Words
from .own_answers import OwnAnswer, wrong_answers
from .question_maker import Asker, Kinds, WordingCount, plain
from .records import conversation
from .shared.errors import UserError
from .shared.files import sha256_file
from .short_answer import kept_images, row_id
from .source_rows import write_source_rows
from .sources import LabelledImage, Level, Source, same_name


class PreferencesOptions(TrainingOptions):
    kinds: Kinds = Field(
        ("short_answer",), description="true_false, choice, short_answer, separated by commas; default short_answer"
    )
    levels: Words | None = Field(
        None, description="levels asked about, separated by commas; all: each of them; default the finest"
    )
    wordings: WordingCount = Field(4, description="4 as FG-BMK has them, or 10, six of each kind being our own")
    per_kind: int = Field(1, ge=1, le=4, description="pairs per image of each kind at each level, in as many wordings")
    negatives: Annotated[str, words_or_file("siblings", "random")] = Field(
        "siblings",
        description="rejected names: siblings (first), random, or a file that python -m evaluation features "
        "--confusions has written: one of the hardest of it",
    )
    answers: str | None = Field(
        None,
        description="an answers.jsonl about training pictures: what is rejected is the model's own wrong answer, and "
        "pictures that it knows are left out; kinds, levels and negatives are not used",
    )

    def identity(self) -> dict:
        """Files count by what they hold."""
        found = super().identity() | {"negatives": identity_of(self.negatives)}
        if self.answers is None:
            del found["answers"]
        elif Path(self.answers).is_file():
            found["answers"] = f"sha256:{sha256_file(Path(self.answers))[:16]}"
        return found


def rows_of(source: Source, options: PreferencesOptions) -> Iterator[dict]:
    mined = mined_of(options.negatives)
    if mined is not None and mined.pictures == "test":
        raise UserError(
            f"negatives: {mined.path} was mined behind test pictures, which nothing of a training set may come from. "
            "python -m evaluation features --confusions FILE mines behind training pictures"
        )
    how = {"siblings_first": options.negatives != "random", "mined": mined}
    asker = Asker(source, options.split, options.seed, "preferences", options.wordings, **how)
    levels = _levels(source, options.levels)
    asker.check_mined(levels)
    asked = [(level, kind) for level in levels for kind in options.kinds]
    for level, kind in asked:
        asker.check("true_false", level)  # there is a wrong name
        asker.check(kind, level)
    kept = kept_images(source.split(options.split), options.max_images_per_class, options.seed)
    for row, places in asker.walk(levels, kept):
        for level, kind in asked:
            for number in range(options.per_kind):
                pair = pair_of(asker, kind, row, level, places[level.name], number, options.per_kind)
                yield preference(source, row, f"{kind}/{level.name}/{number}", *pair)


def _levels(source: Source, names: tuple[str, ...] | None) -> list[Level]:
    if names is None:
        return [source.finest]
    return list(source.levels) if names == ("all",) else [source.level(name) for name in names]


def pair_of(
    asker: Asker, kind: str, row: LabelledImage, level: Level, place: int, number: int, of: int
) -> tuple[str, str, str]:
    """(question, right answer, wrong answer). `place`, `number`, `of`: as of `Asker.ask`."""
    question, right = asker.ask(kind, row, level, place, number, of)
    if kind == "true_false":
        return question, right, "no" if right == "yes" else "yes"
    if kind == "choice":
        options, _ = asker.options_of(row, level, number)
        return question, right, next(one for one in options if one != right)
    same = {same_name(right), *map(same_name, asker.source.aliases.get(right, ()))}
    wrong = [one for one in islice(asker.wrong_labels(row, level, kind, number), 20) if same_name(one) not in same]
    if not wrong:
        raise UserError(f"{row.image}: no label of level {level.name} is wrong for it. Leave the level out: levels")
    # The released rule takes "oat milk" for "milk", so it is no clear wrong answer while there are others.
    return question, right, next((one for one in wrong if plain(right) not in plain(one)), wrong[0])


def preference(source: Source, row: LabelledImage, what: str, question: str, right: str, wrong: str) -> dict:
    """The row."""
    return {
        "id": row_id(f"{source.name}/preferences/{what}", row.image),
        "image": row.image,
        "conversations": conversation(question, right)[:1],
        "chosen": right,
        "rejected": wrong,
        "source": source.name,
        "kind": "preferences",
        "category": row.category,
    }


def own_rows(sources: tuple[Source, ...], options: PreferencesOptions) -> Iterator[dict]:
    """Of each wrong answer a row. UserError: see `wrong_answers`."""
    kept = {
        (source.name, image)
        for source in sources
        for image in kept_images(source.split(options.split), options.max_images_per_class, options.seed) or ()
    }
    found: Iterable[OwnAnswer] = wrong_answers(Path(options.answers), sources, options.split)
    for number, one in enumerate(found):
        if options.max_images_per_class is None or (one.source.name, one.row.image) in kept:
            yield preference(one.source, one.row, f"own/{number}", one.question, one.right, one.wrong)


def build(root: Path, out: Path, options: PreferencesOptions) -> None:
    sources = options.load(root)
    if options.answers is not None:
        rows = own_rows(sources, options)
    else:
        rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="preferences", sources=sources, options=options)


BUILDER = Builder(
    "training rows for objective dpo: a question, the right answer chosen, a sibling's name or a model's own rejected",
    PreferencesOptions,
    build,
)
