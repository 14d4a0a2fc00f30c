"""Facts by rules (0-3): what the answer states, apart from the name, against what the reference states."""

import re

from data_builders.naming import words

from ..shared.number_words import MAGNITUDES, SMALL, TENS
from .quantities import UNIT, Quantity, quantities
from .taxonomy import aliases, coarser

STOP_WORDS = """
a about above after again all also although among an and any are around as at based be because been before
being below between both but by can could depicted depicts did do does due during each either etc for from
further had has have having he her here hers him his how however i if image in including information into is
it its itself just known like likely mainly many may more most mostly much name named no nor not object of
often on one only or other others our out over photo photograph picture predominantly primarily primary
provided same she should shown so some species such than that the their them then there these they this those
through to too typical typically under until up used usually very was we were what when where which while who
whom why will with within would you your displayed displays item items seen specific specifically visible
"""
STOP = frozenset(STOP_WORDS.split())
NUMBER_WEIGHT = 3  # a number carries a fact by itself: it weighs three words, and one more for its unit or if asked for
ASKS_NUMBER = re.compile(r"\b(when|year|date|how (?!(?:do|does|did|is|are|can)\b)\w+)\b", re.IGNORECASE)
ENOUGH = 8  # words' worth that count as complete: an answer need not repeat the whole reference
LEAST = {3: 0.6, 2: 0.35, 1: 0.12}  # score -> the harmonic mean of precision and recall from which on it is given


def stem(word: str) -> str:
    """A crude English stem: enough that `feeds`, `feeding` and `feed` meet."""
    for ending in ("ingly", "edly", "ing", "ies", "ied", "es", "ed", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
    return word


IGNORED = frozenset(stem(word) for word in (*STOP, *UNIT, *SMALL, *TENS, *MAGNITUDES))


def content(text: str, ignored: frozenset[str]) -> set[str]:
    """Stems of the words that say something; designations (GE90) count as words, plain numbers do not."""
    found = {stem(word) for word in words(text) if word not in STOP and not word.isdigit() and not is_measure(word)}
    return found - ignored


def is_measure(word: str) -> bool:
    """12kg, 1990s: a number with its unit written as one word."""
    return bool(re.fullmatch(r"\d+[a-z]*", word)) and (word.lstrip("0123456789") in UNIT or word[-1] == "s")


def judge_facts(name: str, question: str, reference: str, answer: str, recognised: bool = False) -> tuple[int, str]:
    """0-3 by how much of what the answer states stands in the reference, and how much of the reference it states.

    Where the reference states nothing but the name, whoever recognised the thing and adds nothing agrees with it.
    """
    names = (name, *aliases(name, reference), *coarser(name, reference))
    ignored = IGNORED | {stem(word) for text in (question, *names) for word in words(text)}
    wanted, stated = content(reference, ignored), content(answer, ignored)
    wanted_numbers = quantities(reference, name)
    # where the reference holds no number an answer's numbers can neither be right nor wrong
    stated_numbers = quantities(answer, name) if wanted_numbers else []
    if not wanted and not wanted_numbers:
        return (3, "neither states a fact") if recognised and not stated else (0, "the reference states no fact")
    agreed = [one for one in stated_numbers if any(one.agrees(other) for other in wanted_numbers)]
    shared = wanted & stated
    asked = bool(ASKS_NUMBER.search(question))

    def weight(numbers: list[Quantity]) -> int:
        return sum(NUMBER_WEIGHT + (asked or bool(one.kind)) for one in numbers)

    points, said = len(shared) + weight(agreed), len(stated) + weight(stated_numbers)
    complete = min(ENOUGH, len(wanted) + weight(wanted_numbers))
    precision, recall = (points / said if said else 0.0), min(1.0, points / complete)
    both = 2 * precision * recall / (precision + recall) if points else 0.0
    score = max((grade for grade, least in LEAST.items() if both >= least), default=0)
    if stated_numbers and not agreed:
        score = min(score, 1)
    reason = f"{len(shared)} of {len(stated)} content words, {len(agreed)} of {len(stated_numbers)} numbers agree"
    return score, reason + (f" ({', '.join(sorted(shared)[:6])})" if shared else "")
