"""Yes or no as an answer means it: the final word, not one of an echoed question or of a figure of speech."""

import re
from itertools import pairwise

PAIR = re.compile(r"[\"'(]*\b(yes|no)\b[\"')]*\s*(?:,?\s*\b(?:or|and|nor)\b|/|\|)\s*[\"'(]*\b(yes|no)\b[\"')]*")
INSTRUCTION = re.compile(r"\b(?:please\s+)?(?:answer|reply|respond)\s+(?:with|using|only|by|in)\b[^.:!?\n]*[.:!?\n]?")
SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]?")
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# "No it is not": a "no" before other words stands with them ("no doubt", "no markings")
SUBJECT_WORDS = "it this that these those there the i we you they he she its it's that's not because as since is was"
DENYING_WORDS = "not never cannot neither nor without isn't don't doesn't can't couldn't wouldn't won't"
CLAUSE_WORDS = "but so and then therefore thus hence because"
SUBJECTS, DENIERS, CLAUSE = (frozenset(one.split()) for one in (SUBJECT_WORDS, DENYING_WORDS, CLAUSE_WORDS))
CUE = re.compile(
    r"\b(?:(?:answer|conclusion)(?:\s+(?:is|would be|must be|should be))?|so|therefore|thus|hence)\s*[,:=-]?\s*\W*$"
)
REJECTED = re.compile(
    r"[\"')*]*\s+(?:is|was|would be|cannot be|can't be|isn't)\s+(?:not|wrong|incorrect|false|correct|right|the answer)"
)
REACH = 4  # words before a yes or no that may deny it, in the same clause


def yes_or_no(said: str) -> str | None:
    """ "yes", "no", or None where the folded text says neither, or both."""
    said = PAIR.sub(" ", INSTRUCTION.sub(echoed_instruction, said))
    stated: list[tuple[str, bool]] = []
    for sentence in SENTENCE.findall(said):
        if not sentence.rstrip().endswith("?"):
            stated += answers_in(sentence)
    words = {word for word, _ in stated}
    if len(words) == 1:
        return words.pop()
    # where both are said, the one that is called the answer
    concluded = {word for word, cue in stated if cue}
    return concluded.pop() if len(concluded) == 1 else None


def echoed_instruction(found: re.Match) -> str:
    """ "Answer with yes or no." goes; "answer with" before one of the words alone is kept, as it may be the answer."""
    return " " if len({"yes", "no"} & set(WORD.findall(found[0]))) == 2 else found[0]


def answers_in(sentence: str) -> list[tuple[str, bool]]:
    """(yes or no, is it called the answer) of a sentence, in order, without those that are denied."""
    places = list(WORD.finditer(sentence))
    found = []
    for number, place in enumerate(places):
        if place[0] not in ("yes", "no"):
            continue
        after = places[number + 1] if number + 1 < len(places) else None
        joined = after is not None and not sentence[place.end() : after.start()].strip()
        if place[0] == "no" and joined and after[0] not in SUBJECTS:
            continue
        if not denied(sentence, places, number) and not rejected(sentence[place.end() :]):
            found.append((place[0], CUE.search(sentence[: place.start()][-60:]) is not None))
    return found


def rejected(behind: str) -> bool:
    """ "Yes is wrong", "no isn't right"."""
    found = REJECTED.match(behind)
    if found is None:
        return False
    words = WORD.findall(found[0])
    return ("n't" in found[0] or "cannot" in words) != (words[-1] in ("not", "wrong", "incorrect", "false"))


def denied(sentence: str, places: list[re.Match], number: int) -> bool:
    """ "not yes", "I cannot say yes"."""
    for behind, before in pairwise(reversed(places[max(0, number - REACH) : number + 1])):
        if sentence[before.end() : behind.start()].strip(" \"'*(") or before[0] in CLAUSE:
            return False
        if before[0] in DENIERS:
            return True
    return False
