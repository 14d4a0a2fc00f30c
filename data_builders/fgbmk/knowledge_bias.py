"""Knowledge bias: about every test image one true/false question with its label and one with a wrong label.

The wrong label is any other of the same super-category, each as likely: the data set's own meta-class (all birds of
CUB), or the image's where a data set has several (the birds, not the fishes).
"""

from collections.abc import Collection, Iterator

from ..question_maker import Asker
from ..shared.errors import UserError
from ..shared.seeding import Draws
from ..templates import true_false
from .published import question_row
from .task import FgbmkOptions, Files

FILE = "questions_true_false_all_class.jsonl"


def files(asker: Asker, options: FgbmkOptions, kept: Collection[str] | None, dataset: str) -> Files:
    asker.check("true_false", asker.source.finest)
    return {f"{dataset}/{FILE}": rows(asker, kept)}


def rows(asker: Asker, kept: Collection[str] | None) -> Iterator[dict]:
    """The yes question about an image, then the no question. `category` is the true label."""
    source, level, number = asker.source, asker.source.finest, 0
    super_category = source.meta if any(source.meta == one.name for one in source.levels[:-1]) else None
    pool = asker.pool(level, super_category)
    for row, _ in asker.walk([], kept):
        draws = Draws(asker.seed, asker.purpose, "knowledge_bias", row.image)
        if source.multi_label:
            if not row.labels:
                raise UserError(f"{row.image} bears no label, so no true statement can be made; remove its line")
            label = row.labels[draws.below(len(row.labels))]
            wrong = next(pool.not_among(row.labels, draws), None)
        else:
            label = row.category
            above = row.parents.get(super_category)
            wrong = next(pool.others(label, above, draws), None)
        if wrong is None:
            raise UserError(f"{row.image} bears every label of {source.name}; there is no wrong one to ask about")
        words = asker.words(row, level)
        for asked, answer in ((label, "yes"), (wrong, "no")):
            number += 1
            question = true_false(draws.below(asker.wordings), words, asked)
            yield question_row(number, row.image, question, answer, label)
