"""Answers as other programs write them: LLaVA, lmms-eval, VLMEvalKit, MathVista, or plainly an id and an answer.

What a row says is found by the names of its keys; which question of ours it answers, by `answered_questions`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.shared.errors import UserError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GIVEN = ("response", "prediction", "output", "pred", "model_answer", "model_output", "generated_text", "reply")
GOLDS = ("gold", "target", "ground_truth", "gt_answer", "label", "class")
ASKED = ("question", "prompt", "query", "input")
IDS = ("question_id", "questionId", "pid", "id", "qid", "index", "doc_id")
# by suite, what its rows have: the first that fits is taken
FORMS: dict[str, tuple[str, ...]] = {
    "lmms_eval": ("filtered_resps",),
    "mathvista": ("response", "pid"),
    "vlmevalkit": ("index", "prediction"),
    "llava": ("question_id", "text"),
    "plain": (),
}
ANSWERS = {"lmms_eval": "filtered_resps", "llava": "text", "vlmevalkit": "prediction", "mathvista": "response"}
FAILED = "Failed to obtain answer via API"  # what VLMEvalKit writes where an endpoint gave nothing
MATHVISTA_DETAILS = ("question_type", "answer_type", "precision", "choices", "metadata")


@dataclass(frozen=True)
class ForeignAnswer:
    """What one row says; None or empty what it does not say."""

    number: int  # of the row, from 1
    answer: str
    ids: tuple[str, ...] = ()
    question: str | None = None
    gold: str | list[str] | None = None
    image: str | None = None
    category: str | None = None
    options: tuple[str, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)  # what the answer row has besides

    @property
    def name(self) -> str:
        return self.ids[0] if self.ids else f"row {self.number}"


def form_named(row: Mapping[str, object]) -> str:
    """The suite that writes such rows; "plain" where it is none of these."""
    form = next(form for form, keys in FORMS.items() if all(key in row for key in keys))
    # FG-BMK's question rows, to which somebody has added answers, have the question as "text".
    return "plain" if form == "llava" and any(key in row for key in (*GIVEN, "answer")) else form


def foreign_answers(rows: Iterable[dict], form: str, path: Path) -> list[ForeignAnswer]:
    """Every row of that form. UserError for a row without an answer, or with one that is no text."""
    found = []
    for number, row in enumerate(rows, 1):
        place = f"{path}, row {number}"
        doc = row["doc"] if isinstance(row.get("doc"), dict) else {}
        key = answer_key(row, form)
        if key is None:
            known = ", ".join(map(repr, ("answer", "text", *GIVEN)))
            raise UserError(f"{place}: no answer; it has {', '.join(map(repr, row))}, and none of {known}")
        golds = ["answer"] if key != "answer" and form != "llava" else []
        found.append(
            ForeignAnswer(
                number=number,
                answer=text_of(row[key], f"{place}: {key}"),
                ids=ids_of(row, doc),
                question=first_text(row, doc, ASKED if key == "text" else (*ASKED, "text")),
                gold=next((gold_of(row[one]) for one in (*GOLDS, *golds) if row.get(one) not in (None, "")), None),
                image=first_text(row, doc, ("image", "image_path", "image_source", "imgname")),
                category=first_text(row, doc, ("category", "split")),
                options=tuple(str(row[letter]) for letter in LETTERS if row.get(letter) not in (None, "")),
                more=more_of(row),
            )
        )
    return found


def answer_key(row: Mapping[str, object], form: str) -> str | None:
    # VLMEvalKit and MathVista put what was read out of a response beside it.
    told = {"lmms_eval": "filtered_resps", "llava": "text", "vlmevalkit": "prediction", "mathvista": "response"}.get(
        form
    )
    if told is not None:
        return told if told in row else None
    # Of MathVista's questions "answer" is the gold one.
    return next((key for key in (*GIVEN, *(() if "answer_type" in row else ("answer", "text"))) if key in row), None)


def text_of(value: object, place: str) -> str:
    """An answer as text: a text, a number, nothing at all, or a list (of lists) of one of these."""
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None or value != value:  # pandas writes NaN for nothing
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UserError(f"{place} is {json.dumps(value, default=str)[:80]}; it must be text")


def gold_of(value: object) -> str | list[str] | None:
    """A gold answer, or several: a list, or a text that spells one as Python or JSON does."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = listed(value)
    if isinstance(value, list | tuple):
        return [str(one) for one in value] or None
    return None if value is None or value != value else str(value)


def listed(text: str) -> object:
    from ast import literal_eval

    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def ids_of(row: Mapping[str, object], doc: Mapping[str, object]) -> tuple[str, ...]:
    """All that may be the question's id, the likelier first. lmms-eval keeps the benchmark's own beside its metrics."""
    within = [value for value in row.values() if isinstance(value, dict)]
    found = [place[key] for key in IDS for place in (row, doc, *within) if key in place]
    texts = [str(one) for one in found if isinstance(one, str | int | float) and not isinstance(one, bool)]
    # Tables with a gap have their numbers as "3.0".
    return tuple(dict.fromkeys(re.sub(r"^(\d+)\.0$", r"\1", text) for text in texts))


def first_text(row: Mapping[str, object], doc: Mapping[str, object], keys: Iterable[str]) -> str | None:
    for key in keys:
        for place in (row, doc):
            if isinstance(place.get(key), str) and place[key]:
                return place[key]
    return None


def more_of(row: Mapping[str, object]) -> dict[str, object]:
    """What MathVista's rules and groups need, and whether the answer was finished."""
    found: dict[str, object] = {"finished": row["finished"]} if isinstance(row.get("finished"), bool) else {}
    if isinstance(row.get("extraction"), str | int | float):
        found["extraction"] = str(row["extraction"])
    if "answer_type" in row:
        found["details"] = details_of({key: row.get(key) for key in MATHVISTA_DETAILS})
    return found


def details_of(values: dict[str, object]) -> dict[str, object]:
    choices = values.get("choices")
    values["choices"] = listed(choices) if isinstance(choices, str) and choices else choices or None
    if isinstance(values.get("precision"), str):
        values["precision"] = float(values["precision"]) if values["precision"] else None
    metadata = values.pop("metadata", None)
    return values | (metadata if isinstance(metadata, dict) else {})
