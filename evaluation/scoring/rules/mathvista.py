"""MathVista: an answer is extracted from the reply, normalised by the question's answer type, compared with the gold.

The official extraction asks a language model unless the reply is the answer itself. Here a row may carry what some
model extracted (`extraction`, as in the official result files, see `evaluation.scoring.extraction`); without it each
rule goes as far as it does without a model, and what stays unextracted is counted as such: nothing is guessed for it.
"""

import math
import re
from collections.abc import Callable, Sequence

from ...shared.numerals import Numeral, numerals_in
from ...shared.signs import one_spelling
from .base import NO_DETAILS, Details, Gold, Verdict, golds_of
from .letters import lettered, vlmevalkit_letter
from .names import mentions, single_spaced
from .text import levenshtein

IN_BRACKETS = re.compile(r"\(([a-zA-Z])\)")
LEAD, END = 'The answer is "', '".'
HINTS = (  # what the query says of the answer -> answer type, decimal places
    ("requiring an integer answer", "integer", None),
    ("with one decimal place", "float", 1),
    ("with two decimal places", "float", 2),
    ("requiring a python list", "list", None),
)
LAST_WORDS = re.compile(r"(?is).*\banswer(?:\s+is\b|\s*[:=])")
LONGEST = 20_000  # letters of a reply that are searched for an answer, from its end


def types_from_query(query: str, options: Sequence[str]) -> Details:
    """Answer type and precision as the query's hint tells them, for rows without them; empty if it does not."""
    if options:
        return {"question_type": "multi_choice", "answer_type": "text", "choices": list(options)}
    hint = query.split("\n", 1)[0].lower()
    for words, answer_type, precision in HINTS:
        if words in hint:
            return {"question_type": "free_form", "answer_type": answer_type, "precision": precision}
    return {}


def choices_of(details: Details, options: Sequence[str]) -> list[str]:
    return [str(one) for one in (details.get("choices") or options or ())]


def direct(reply: str, details: Details, choices: Sequence[str]) -> str | None:
    """The official extraction where no model is needed: the reply is a choice, or a number of the right type."""
    if details.get("question_type") == "multi_choice" and reply in choices:
        return reply
    try:
        if details.get("answer_type") == "integer":
            return str(int(reply))
        if details.get("answer_type") == "float":
            return str(float(reply))
    except ValueError:  # also for more digits than Python converts
        pass
    return None


def quick(reply: str, details: Details, choices: Sequence[str]) -> str | None:
    """The official --quick_extract: also `The answer is "...".`"""
    if (found := direct(reply, details, choices)) is not None:
        return found
    # as the greedy pattern LEAD(.*)END finds it, in one pass over a long reply
    for line in reply.split("\n"):
        start, end = line.find(LEAD) + len(LEAD), line.rfind(END)
        if LEAD in line and end >= start:
            return line[start:end]
    return None


def plain(reply: str, details: Details, choices: Sequence[str]) -> str | None:
    """Ours: what the reply states without doubt: one letter, one choice, one number after "answer is" or at all."""
    found = quick(reply, details, choices)
    if details.get("question_type") == "multi_choice":
        return found if found is not None else plain_choice(reply[-LONGEST:], choices)
    if details.get("answer_type") == "list":
        return found if found is not None else the_only_one(re.findall(r"\[[^\[\]]*\]", reply[-LONGEST:]))
    if found is not None:
        return found if is_number(found) else plain_number(found, details)
    return plain_number(reply[-LONGEST:], details)


def plain_number(reply: str, details: Details) -> str | None:
    """The only number behind "answer is", or at all where none stands there; None where one is in doubt or denied."""
    reply = one_spelling(reply)
    numerals, end = numerals_in(reply), LAST_WORDS.match(reply)
    behind = [one for one in numerals if end and one.start >= end.end()]
    stated = [one for one in behind or numerals if not one.denied]
    if any(one.doubtful for one in stated) or len({one.value for one in stated}) != 1:
        return None
    return as_text(stated[0], details)


def as_text(one: Numeral, details: Details) -> str | None:
    """Digits as they were written; what was worked out (a root, a fraction) is a whole number where one is asked."""
    if one.literal is not None:
        return one.literal
    if one.whole:
        return str(int(one.value))
    return None if details.get("answer_type") == "integer" else repr(one.value)


def the_only_one(found: Sequence[str]) -> str | None:
    return found[0] if len(set(found)) == 1 else None


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def plain_choice(reply: str, choices: Sequence[str]) -> str | None:
    letters = lettered(choices)
    bracketed = {one.upper() for one in IN_BRACKETS.findall(reply)} & set(letters)
    if len(bracketed) == 1:
        return bracketed.pop()
    letter = vlmevalkit_letter(reply, letters)
    if letter in letters:
        return letter
    spaced = {single_spaced(choice): choice for choice in choices}
    named = mentions(single_spaced(reply), list(spaced))
    return spaced[named.pop()] if len(named) == 1 else None


def nearest(text: str, choices: Sequence[str]) -> str:
    """The choice with the smallest edit distance; the first of several."""
    return min(choices, key=lambda choice: levenshtein(text, choice))


def normalised(extraction: object, details: Details, choices: Sequence[str]) -> object:
    """The official normalisation by answer type; None for a number that is none."""
    if details.get("question_type") == "multi_choice":
        text = extraction.strip() if isinstance(extraction, str) else str(extraction)
        found = IN_BRACKETS.search(text)
        text = found.group(1).upper() if found else text
        letters = lettered(choices)
        return letters[text] if text in letters else nearest(text, choices) if choices else text
    try:
        if details.get("answer_type") == "integer":
            return str(int(float(extraction)))
        if details.get("answer_type") == "float":
            return str(round(float(extraction), decimal_places(details.get("precision"))))
    except (TypeError, ValueError, OverflowError):
        return None
    return str(extraction) if details.get("answer_type") == "list" else extraction


def decimal_places(precision: object) -> int | None:
    """A table may hold 1 as 1.0 or "1", and none as NaN; null rounds to a whole number."""
    try:
        places = float(precision)
    except (TypeError, ValueError):
        return None
    return int(places) if places.is_integer() else None


Extract = Callable[[str, Details, Sequence[str]], str | None]


def official(extract: Extract, answer: str, gold: Gold, options: Sequence[str], details: Details) -> Verdict:
    choices = choices_of(details, options)
    extraction = details.get("extraction")
    if extraction is None or extraction == "":
        extraction = extract(answer, details, choices)
    if extraction is None or extraction == "":
        return Verdict(0.0, None)
    prediction = normalised(extraction, details, choices)
    return Verdict(float(prediction in golds_of(gold)), None if prediction is None else str(prediction))


def mathvista(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Official; without an extraction in the row only replies that are the answer itself are extracted."""
    return official(direct, answer, gold, options, details)


def mathvista_quick(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Official with --quick_extract."""
    return official(quick, answer, gold, options, details)


def mathvista_plain(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Ours, for where no model extracts: letters, choices and numbers that stand alone in the reply."""
    return official(plain, answer, gold, options, details)


def mathvista_vlmevalkit(
    answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS
) -> Verdict:
    """VLMEvalKit: a letter as inferred in AI2D, or int() and float() of the text. No decimals are rounded."""
    choices = choices_of(details, options)
    extraction = details.get("extraction")
    said = answer if extraction is None or extraction == "" else extraction
    if details.get("question_type") == "multi_choice":
        letter = vlmevalkit_letter(str(said), lettered(choices))
        right = {one for one, choice in lettered(choices).items() if choice in golds_of(gold)}
        return Verdict(float(letter is not None and letter == min(right, default="")), letter)
    read = {"integer": int, "float": float}.get(str(details.get("answer_type")))
    if read is None:
        return Verdict(0.0, None)  # it compares the word None with the list
    try:
        value = read(said)
        return Verdict(float(any(value == read(one) for one in golds_of(gold))), str(value))
    except (TypeError, ValueError, OverflowError):
        return Verdict(0.0, None)
