"""By what a score is broken down: the values that a key has in one answer row.

`category` stands in every row, and the wording of a question that is asked in several is in its id. What FG-BMK's
attribute questions are about is read from their wording, as their files do not say it otherwise. Every other key
is a detail of the question (Task.groups).
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from data_builders.templates import ATTRIBUTE_CHOICE, ATTRIBUTE_TRUE_FALSE

# In the paper's tables a group's number is the mean of its attributes.
MEANS_OF = {
    "attribute_group": "attribute",
    "attribute_group_choice": "attribute_choice",
    "attribute_group_true_false": "attribute_true_false",
}
FROM_WORDING = (*MEANS_OF, *MEANS_OF.values(), "question_kind")
# Where attribute and value stand side by side the attribute ends with its group; others are read after these.
KNOWN = r"(?P<attribute>(?:[\w -]+? )?(?:color|pattern|shape|length|size))"
ANY = r"(?P<attribute>[\w -]+?)"
PLACES = {"{subject}": r"[\w -]+?", "{value}": r".+?"}
CHOICE_SIGN = "following list:"


def pattern(wording: str, attribute: str, end: str) -> re.Pattern[str]:
    """A wording with its places open."""
    places = PLACES | {"{attribute}": attribute}
    parts = re.split(r"(\{\w+\})", wording)
    return re.compile("".join(places[part] if part in places else re.escape(part) for part in parts) + end, re.DOTALL)


def patterns(wordings: Iterable[str], end: str) -> list[re.Pattern[str]]:
    return [pattern(wording, attribute, end) for attribute in (KNOWN, ANY) for wording in wordings]


WORDINGS = {
    "true_false": patterns(ATTRIBUTE_TRUE_FALSE, r"(?:\s.*)?$"),
    "choice": patterns(ATTRIBUTE_CHOICE, r"\s"),
}


@lru_cache(1 << 14)
def attribute_of(question: str) -> tuple[str, str] | None:
    """(attribute, kind of question), as in ("wing color", "choice"); None for another wording."""
    kind = "choice" if CHOICE_SIGN in question else "true_false"
    for wording in WORDINGS[kind]:
        if found := wording.match(question):
            return found["attribute"].strip(), kind
    return None


def parts_of(question_id: int | str) -> tuple[str, str]:
    """(question, wording) of an id NUMBER/WORDING; an id without a slash is a question of one wording."""
    question, slash, wording = str(question_id).rpartition("/")
    return (question, wording) if slash else (str(question_id), "1")


def values_of(key: str, row: Mapping[str, object], details: Mapping[str, object]) -> tuple[str, ...]:
    """The values of one key in one row: none, one or several."""
    if key == "category":
        return (str(row["category"]),)
    if key == "wording":
        return (parts_of(row["question_id"])[1],)
    if key not in FROM_WORDING:
        return as_names(details.get(key))
    found = attribute_of(str(row["question"]))
    if found is None:
        return ()
    attribute, kind = found
    if key == "question_kind":
        return (kind,)
    if key.endswith(("choice", "true_false")) and not key.endswith(kind):
        return ()
    # "wing color" -> color, "shape" -> shape
    return (attribute.rsplit(" ", 1)[-1] if key in MEANS_OF else attribute,)


def as_names(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (str(value),)
    return tuple(dict.fromkeys(map(str, value)))
