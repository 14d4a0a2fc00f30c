"""Multiple choice with lettered options (AI2D), the gold is the letter. No official script: a rule for each suite."""

import re
import string
from collections.abc import Mapping, Sequence

from .base import NO_DETAILS, Details, Gold, Verdict, golds_of

LEADING_LETTER = re.compile(r"^\s*([A-Z])\.")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
ANSWER_IS = re.compile(r"(?i)(?:correct\s+)?answer\s+is\s+\**([ABCD])\**")
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
NO_REPLY = "Failed to obtain answer via API"
NONE_OF_THEM = "Z"


def lettered(options: Sequence[str]) -> dict[str, str]:
    """A, B, ... -> option; at most 26."""
    return dict(zip(string.ascii_uppercase, options, strict=False))


def lmms_eval_reply(answer: str) -> str:
    """A capital letter with a full stop at the beginning, else the whole answer without blanks at its ends."""
    found = LEADING_LETTER.match(answer)
    return found.group(1) if found else answer.strip()


def ai2d_lmms_eval(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """lmms-eval: that reply equals the gold letter, case and punctuation aside."""
    said = lmms_eval_reply(answer)

    def plain(text: str) -> str:
        return text.lower().translate(NO_PUNCTUATION)

    letters = {letter.lower() for letter in lettered(options)} or set(string.ascii_lowercase)
    right = plain(said) in {plain(one) for one in golds_of(gold)}
    return Verdict(float(right), said if right or plain(said) in letters else None)


def inferred_letter(answer: str, choices: Mapping[str, str]) -> str | None:
    """VLMEvalKit's reading of a letter: the only one that stands alone, among the last four tokens."""
    if NO_REPLY in answer:
        return None
    if any(refusal in answer for refusal in REFUSALS):
        return NONE_OF_THEM
    tokens = answer.translate(BLANKED).split()
    present = [letter for letter in choices if letter in tokens]
    if len(present) == 1:
        if tokens.index(present[0]) > len(tokens) - 5:
            return present[0]
    elif not present and NONE_OF_THEM in tokens:
        return NONE_OF_THEM
    said = ANSWER_IS.search(answer)
    return said.group(1).upper() if said and said.group(1).upper() in choices else None


def inferred_text(answer: str, choices: Mapping[str, str]) -> str | None:
    """VLMEvalKit's reading of an option's text: the only one that is part of an answer not much longer than them."""
    said = answer.lower()
    if len(said) > 2 * sum(map(len, choices.values())):
        return None
    present = [letter for letter, option in choices.items() if option.lower() in said]
    return present[0] if len(present) == 1 else None


def vlmevalkit_letter(answer: str, choices: Mapping[str, str]) -> str | None:
    """The option's letter, Z for a refusal, None where nothing can be inferred without a model."""
    return inferred_letter(answer, choices) or inferred_text(answer, choices)


def ai2d_vlmevalkit(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """VLMEvalKit without a judge (`exact_matching`): what cannot be inferred is wrong."""
    letter = vlmevalkit_letter(answer, lettered(options))
    return Verdict(float(letter in golds_of(gold)), None if letter == NONE_OF_THEM else letter)


def ai2d_internvl(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """InternVL: the answer is the letter and nothing else, in any case."""
    said = answer.strip().lower()
    letters = "".join(lettered(options)).lower() or string.ascii_lowercase
    return Verdict(float(said in {one.lower() for one in golds_of(gold)}), said if said in set(letters) else None)
