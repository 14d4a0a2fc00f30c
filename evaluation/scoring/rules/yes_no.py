"""POPE: yes or no, as its own script reads it and as the common suites do. `parsed` is yes, no or None."""

import re
from collections.abc import Sequence

from .base import NO_DETAILS, Details, Gold, Verdict, golds_of

# The marks that VQA's script takes out, which VLMEvalKit uses.
VQA_MARKS = ';/[]"{}()=+\\_-><@`,?!'
MOST_STOPS = 32  # of full stops taken out: the script hands a flag over where the count belongs, and it is 32


def pope_label(answer: str) -> str:
    """POPE's rule: "no" iff one of the blank-separated tokens of the first sentence is No, not or no; else "yes"."""
    first = answer.split(".", 1)[0].replace(",", "")
    return "no" if {"No", "not", "no"} & set(first.split(" ")) else "yes"


def lmms_eval_label(answer: str) -> str | None:
    """The whole answer must be the word, in any case."""
    said = answer.lower().strip()
    return said if said in ("yes", "no") else None


def vqa_plain(text: str) -> str:
    """Marks that stand beside a blank vanish, others become a blank; then full stops vanish before no digit."""
    glued = re.search(r"\d,\d", text) is not None
    plain = text
    for mark in VQA_MARKS:
        plain = plain.replace(mark, "" if glued or f"{mark} " in text or f" {mark}" in text else " ")
    return re.sub(r"\.(?!\d)", "", plain, count=MOST_STOPS)


def vlmevalkit_label(answer: str) -> str | None:
    """One of the two words occurs and the other does not."""
    said = {"yes", "no"} & set(vqa_plain(answer.lower()).split())
    return said.pop() if len(said) == 1 else None


def pope(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """POPE's own script: "no" iff No, not or no stands in the first sentence; everything else is a yes."""
    label = pope_label(answer)
    return Verdict(float(label in golds_of(gold)), label)


def pope_lmms_eval(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """lmms-eval: the whole answer is the word, in any case."""
    label = lmms_eval_label(answer)
    return Verdict(float(label in golds_of(gold)), label)


def pope_vlmevalkit(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """VLMEvalKit: one of the two words occurs and the other does not."""
    label = vlmevalkit_label(answer)
    return Verdict(float(label in golds_of(gold)), label)
