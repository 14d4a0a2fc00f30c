"""Why an answer is not right: its form (nothing to read in it, too much said, always the same) or what it says.

With log-probabilities of the options the model itself tells: where the right option is still the likeliest, only the
answering went wrong. Without them the form of the answer decides, and an answer that reads well but is wrong counts as
missing knowledge.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..scoring.matching import RULES, golds_of, mentions
from ..shared.texts import normalise
from ..tasks.question_files import quoted_options

# How an answer misses its form. The order is that of reading: the first that holds is noted.
FAULTS = ("none", "empty", "unparsed", "verbose", "cut off", "always the same answer", "right option likeliest")
NONE, EMPTY, UNPARSED, VERBOSE, CUT, CONSTANT, LIKELIEST = range(len(FAULTS))
YES_NO = frozenset({"yes", "no"})
ONE_ANSWER = 0.9  # share of equal answers from which on the model is said to give always the same one,
ONE_GOLD = 0.8  # unless so many golds are equal too
LETTER = re.compile(r"[A-Za-z]$")
LONG = 400  # letters of an answer that are read for its form
FIRST_WORD = re.compile(r"\b(yes|no)\b")


def plain(text: str) -> str:
    return text.strip().rstrip(".").strip().lower()


# Golds and options come again and again; answers may be long and are not kept.
known_plain = lru_cache(1 << 14)(plain)
known_normal = lru_cache(1 << 14)(normalise)


def is_letter(gold: str, options: Sequence[str]) -> bool:
    return bool(options and LETTER.match(gold.strip())) and known_normal(gold) not in map(known_normal, options)


def form_of(row: dict, *, open_answer: bool) -> tuple[int, int, int]:
    """(how the answer misses the form that its question asks for, a number that equal answers share, the same of the
    gold). Of an answer to a yes/no question only the word counts as equal.

    `open_answer`: sentences are wanted (FROW), so that neither length nor a cut end is a fault.
    """
    answer, golds = str(row["answer"])[:LONG], golds_of(row["gold"])
    said, wanted = plain(answer), [known_plain(gold) for gold in golds]
    first = hash(wanted[0] if wanted else "")
    if said in wanted:
        return NONE, hash(said), first
    if not said:
        return EMPTY, hash(said), first
    if YES_NO.issuperset(wanted):
        found = FIRST_WORD.search(said)
        return (NONE, hash(found[1]), first) if found else (UNPARSED, hash(said), first)
    return NONE if open_answer else _other_fault(row, answer, golds), hash(said), first


def _other_fault(row: dict, answer: str, golds: list[str]) -> int:
    options = row.get("options") or quoted_options(str(row["question"]))
    if options:
        rule = RULES["ai2d_vlmevalkit" if is_letter(golds[0], options) else "strict"]
        return NONE if rule(answer, row["gold"], options, {}).parsed is not None else UNPARSED
    if mentions(normalise(answer), [known_normal(gold) for gold in golds]):
        return VERBOSE
    return NONE if row.get("finished", True) else CUT


def margin(row: dict) -> float:
    """Log-probability (natural) of the right option minus that of the likeliest other; NaN where it is not told."""
    weighed, gold = row.get("options_log_probability"), row["gold"]
    if not isinstance(weighed, dict) or len(weighed) < 2 or not isinstance(gold, str):
        return float("nan")
    right, others, wanted = float("nan"), float("-inf"), known_normal(gold)
    for option, found in weighed.items():
        log_p = float(found[0] if isinstance(found, list | tuple) else found)
        if known_normal(option) == wanted:
            right = log_p
        else:
            others = max(others, log_p)
    return right - others


def most_common(codes: np.ndarray) -> tuple[int, float]:
    """(the commonest code, its share)."""
    values, counts = np.unique(codes, return_counts=True)
    place = int(counts.argmax())
    return int(values[place]), float(counts[place] / len(codes))


def always_the_same(said: np.ndarray, golds: np.ndarray) -> int | None:
    """The code of the answer that nearly every question got though the golds differ; None where there is none."""
    if len(said) < 10:
        return None
    code, share = most_common(said)
    return code if share >= ONE_ANSWER and most_common(golds)[1] <= ONE_GOLD else None


def fault_of_items(
    form: np.ndarray, margins: np.ndarray, said: np.ndarray, golds: np.ndarray, gold_yes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int | None]:
    """(fault of each item, whether log-probabilities told it, the code of an answer that is always given).

    `gold_yes`: 1 the gold is yes, 0 it is no, -1 neither. A model that always says yes finds yes likeliest everywhere:
    there the margin between the two is measured from its median, so that what it still tells apart counts as known.
    """
    constant = always_the_same(said, golds)
    weighed = np.isfinite(margins)
    known = margins >= 0
    yes_no = weighed & (gold_yes >= 0)
    if constant is not None and yes_no.any():
        towards_yes = np.where(gold_yes == 1, margins, -margins)
        middle = np.median(towards_yes[yes_no])
        known = np.where(yes_no, np.where(gold_yes == 1, towards_yes > middle, towards_yes < middle), known)
    fault = form.copy()
    if constant is not None:
        fault[(fault == NONE) & (said == constant) & (said != golds)] = CONSTANT
    fault[weighed & ~known] = NONE
    fault[weighed & known & (fault == NONE)] = LIKELIEST
    return fault, weighed, constant
