"""A deterministic judge for FROW's open-world answers, for where there is no endpoint to ask. Its name is its rule.

Recognition (0-2): which category the answer names first. Facts (0-3): words and numbers it shares with the reference.
It reads text only, so it is a yardstick for changes of one model, not a stand-in for the published judge's scores.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from .verdict import Identity, Judgement

JUDGE = "deterministic_judge"
STOP_WORDS = """
a about above after again all also although among an and any are around as at based be because been before
being below between both but by can could depicted depicts did do does due during each either etc for from
further had has have having he her here hers him his how however i if image in including information into is
it its itself just known like likely mainly many may more most mostly much name named no nor not object of
often on one only or other others our out over photo photograph picture predominantly primarily primary
provided same she should shown so some species such than that the their them then there these they this those
through to too typical typically under until up used usually very was we were what when where which while who
whom why will with within would you your
"""
STOP = frozenset(re.findall(r"\w+", STOP_WORDS))
SMALL_NUMBERS = re.findall(r"\w+", "zero one two three four five six seven eight nine ten eleven twelve")
NUMBER_WORDS = {word: float(value) for value, word in enumerate(SMALL_NUMBERS)}
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
ALIAS_LEAD = re.compile(
    r"(?:also|sometimes|formerly|commonly)(?: \w+ly| sometimes| often)? (?:known|called|referred to|goes|named)"
    r"(?: (?:as|by|to as))?(.{0,200})",
    re.DOTALL,
)
LIST_LEAD = re.compile(
    r"^[\s,:]*(?:(?:its|the|their|several|other|common|scientific|old|former|simply|a|an|names?|alias(?:es)?|"
    r"synonyms?|including|such as|as|by)\b[\s,:]*)*"
)


def words(text: str) -> list[str]:
    """Lower-case words; hyphens, underscores and marks separate them."""
    return re.findall(r"[^\W\d_]+", re.sub(r"['’]s\b", "", text.lower()))


def stem(word: str) -> str:
    """A crude English stem: enough that `feeds`, `feeding` and `feed` meet."""
    for ending in ("ingly", "edly", "ing", "ies", "ied", "es", "ed", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
    return word


def numbers(text: str) -> list[float]:
    """The numbers and years in a text; "1,200" is one number, small number words count."""
    found = [float(one.replace(",", "")) for one in NUMBER.findall(text) if len(one) <= 15]
    return found + [NUMBER_WORDS[word] for word in words(text) if word in NUMBER_WORDS]


def joined(text: str) -> str:
    return " ".join(words(text))


def aliases(name: str, reference: str) -> list[str]:
    """Other names of the category that the reference gives: scientific names and what follows "also known as"."""
    plain = re.sub(r"[*_]", "", reference)
    found = re.findall(r"\(([A-Z][a-z]+(?: [a-z]+){1,2})\)", plain)
    genus = joined(name).split()[-1:]
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", plain):
        # a sentence that does not say whose name it gives may give that of a part ("patches, also known as epaulets")
        if genus and genus[0] in words(sentence):
            for listed in ALIAS_LEAD.findall(sentence):
                found += listed_names(listed)
    cleaned = [one.strip(" .") for one in found]
    # a short single word is too often something else
    return [one for one in dict.fromkeys(cleaned) if len(one) > 4 and joined(one) not in ("", joined(name))]


def listed_names(text: str) -> list[str]:
    """The names at the beginning of `text`, up to where the sentence goes on; quoted ones if it begins with a quote."""
    text = LIST_LEAD.sub("", text)
    quoted = re.match(r'["“]([^"”]+)["”]', text)
    if quoted:
        return [quoted.group(1).strip(" ,")]
    names = []
    for part in re.split(r",|;|\bor\b|\band\b|\(|\)", text.replace('"', "")):
        part = LIST_LEAD.sub("", part).strip()
        if len(words(part)) > 4:
            break
        if part:
            names.append(part)
    return names


def position(name: str, said: str) -> int | None:
    """Where `name` (plain words) first stands as whole words in `said`; a plural s is allowed."""
    found = re.search(rf"(?<!\w){re.escape(name)}s?(?!\w)", said) if name else None
    return found.start() if found else None


def judge_item(name: str, reference: str, answer: str, categories: Iterable[str]) -> tuple[int, str]:
    """2: the category or an alias; 1: only its genus (the name's last word, or scientific); 0: none or wrong.

    The category named first decides, so that a right answer may go on to compare with others.
    """
    said, own = joined(answer), joined(name)
    if not said:
        return 0, "the answer is empty"
    others = {}
    for category in categories:
        if (other := joined(category)) != own:
            place = position(other, said)
            if place is not None:
                others[other] = place
    right = {}
    for kind, text in [("name", name)] + [("alias", alias) for alias in aliases(name, reference)]:
        place = position(joined(text), said)
        if place is not None:
            right.setdefault(joined(text), (place, kind))
    # "albatross" inside "laysan albatross" is the other's: a longer name at an earlier or equal place goes before
    first_other = min(others.values(), default=None)
    first_right = min((place for place, _ in right.values()), default=None)
    if first_right is not None and (first_other is None or first_right <= first_other):
        found = min(right, key=lambda one: right[one])
        kind = right[found][1]
        return 2, f"names the category ({found})" if kind == "name" else f"names it by an alias ({found})"
    if others:
        wrong = min(others, key=lambda one: others[one])
        sibling = bool(own) and wrong.split()[-1] == own.split()[-1]
        return 0, f"names {'the sibling' if sibling else 'another category,'} {wrong}"
    scientific = [
        joined(alias).split()[0] for alias in aliases(name, reference) if re.match(r"[A-Z][a-z]+ [a-z]+$", alias)
    ]
    for ancestor in dict.fromkeys([own.split()[-1] if own else "", *scientific]):
        if len(ancestor) > 2 and position(ancestor, said) is not None and ancestor != own:
            return 1, f"names only the coarser {ancestor}"
    return 0, "does not name the category"


def judge_facts(name: str, question: str, reference: str, answer: str) -> tuple[int, str]:
    """0-3 by how much of what the answer states stands in the reference, and how much of the reference it states."""
    ignored = {stem(word) for text in (name, question, *aliases(name, reference)) for word in words(text)}
    ignored |= {stem(word) for word in STOP}

    def content(text: str) -> set[str]:
        return {stem(word) for word in words(text) if word not in STOP and word not in NUMBER_WORDS} - ignored

    wanted, stated = content(reference), content(answer)
    wanted_numbers, stated_numbers = numbers(reference), numbers(answer) if numbers(reference) else []
    agreed = [one for one in stated_numbers if any(close(one, other) for other in wanted_numbers)]
    shared = wanted & stated
    # a number carries a fact by itself: it weighs three words
    points = len(shared) + 3 * len(agreed)
    said = len(stated) + 3 * len(stated_numbers)
    # an answer need not repeat the whole reference: eight words' worth counts as complete
    complete = min(8, max(1, len(wanted) + 3 * len(wanted_numbers)))
    precision, recall = (points / said if said else 0.0), min(1.0, points / complete)
    both = 2 * precision * recall / (precision + recall) if points else 0.0
    score = 3 if both >= 0.6 else 2 if both >= 0.35 else 1 if both >= 0.12 else 0
    if stated_numbers and not agreed:
        score = min(score, 1)
    reason = f"{len(shared)} of {len(stated)} content words, {len(agreed)} of {len(stated_numbers)} numbers agree"
    return score, reason + (f" ({', '.join(sorted(shared)[:6])})" if shared else "")


def close(a: float, b: float) -> bool:
    return abs(a - b) <= (0.0 if 1000 <= b <= 2100 and b == int(b) else 0.05 * abs(b))  # years must be equal


def judge(name: str, question: str, reference: str, answer: str, categories: Sequence[str] = ()) -> Judgement:
    """Judge one answer. `categories`: all names of the data set, to recognise that another one was named."""
    item, item_reason = judge_item(name, reference, answer, categories)
    fact, fact_reason = judge_facts(name, question, reference, answer)
    return Judgement(item, item_reason, fact, fact_reason)


VERSION = 1


class DeterministicJudge:
    identity = Identity(JUDGE, VERSION)

    def __init__(self, taxonomy: Path | None = None):
        self.taxonomy = taxonomy

    def check(self, candidates) -> None:
        pass

    def more(self, one) -> dict:
        return {}

    def judge(self, candidates, take) -> None:
        categories = sorted({one.name for one in candidates})
        for one in candidates:
            take(one, judge(one.name, one.question, one.reference, one.answer, categories))
