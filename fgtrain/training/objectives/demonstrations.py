"""What a teacher is asked where its student is asked a row's question: the question with the answer shown beside it."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from data_builders.shared.seeding import draw
from fgtrain.data.chat import encode_questions
from fgtrain.data.maker import SampleMaker
from fgtrain.data.rows import Rows
from fgtrain.errors import UserError

from .rollout import Question, check_rows

FIELD = re.compile(r"\{(question|answer|context)\}")


class Demonstrations:
    """`prompt`: lines with {question}, {answer} and {context}. The last is how a row of `context`, the data set `name`,
    begins (a text, or a question): of those of the row's category one is drawn by (seed, stage, row, pass)."""

    def __init__(
        self, prompt: Sequence[str], maker: SampleMaker, name: str | None = None, context: Rows | None = None
    ) -> None:
        self.prompt, self.maker, self.name, self.context = "\n".join(prompt), maker, name, context

    def check(self) -> None:
        """UserError where a row has no single questions, is a mosaic, or has nothing to be shown."""
        check_rows(self.maker.stage, self.maker.rows, "self_distillation")
        for data_set, rows in self.maker.rows.items():
            place = f"stages.{self.maker.stage}.mix.{data_set}"
            for row in rows:
                if row.get("mosaic") is not None:
                    raise UserError(
                        f"{place}: row {row['id']!r} is a mosaic, whose answer is another in each pass: no teacher "
                        f"is shown it. Leave the data set out"
                    )
                if self.context is not None and row.get("category") not in self._context_of:
                    raise UserError(
                        f"{place}: row {row['id']!r} is of category {row.get('category')!r}, of which "
                        f"self_distillation.context, {self.name}, has no row. Add rows of it, or leave context out"
                    )

    def __call__(self, sample: str, questions: Sequence[Question]) -> list[list[int]]:
        """Of each question of a sample ("data set/pass/row id") the tokens up to the answer."""
        data_set, _, row_id = sample.split("/", 2)
        rows = self.maker.rows[data_set]
        row = rows[self._index_of[data_set][row_id]]
        context = self._context(sample, row)

        def shown(question: str, answer: str) -> str:
            values = {"question": question, "answer": answer, "context": context}
            return filled(self.prompt, values)

        return encode_questions(row, self.maker.tokenizer, self.maker.chat, self.maker.spec, shown, rows.image_root)

    def _context(self, sample: str, row: dict) -> str:
        if self.context is None:
            return ""
        of_category = self._context_of[row["category"]]
        number = draw(self.maker.seed, self.maker.stage, "context", sample).integers(len(of_category))
        return self.context[of_category[int(number)]]["conversations"][0]["value"].strip()

    @cached_property
    def _index_of(self) -> dict[str, dict[str, int]]:
        return {name: {str(row["id"]): i for i, row in enumerate(rows)} for name, rows in self.maker.rows.items()}

    @cached_property
    def _context_of(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, row in enumerate(self.context or ()):
            found.setdefault(row.get("category"), []).append(index)
        return found


def filled(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with its fields filled in; what stands in braces in a value stays."""
    pieces = FIELD.split(prompt)
    return "".join(values[piece] if place % 2 else piece for place, piece in enumerate(pieces))
