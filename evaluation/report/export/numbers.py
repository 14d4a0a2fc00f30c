"""Cells of a report as numbers: `61.2 ▲ +3.1 55.0–67.1 · n 320` is a value, a change, two ends and an n, each a column
of its own in a CSV file."""

import re
from collections.abc import Sequence

NUMBER = r"[+±−-]?\d[\d,]*(?:\.\d+)?"
PARTS = {  # what may stand behind (or instead of) a value
    "change": re.compile(rf"^ *(?:[▲▼] ?({NUMBER})|(±0[.0]*))"),  # right behind the value
    "interval": re.compile(rf"[(\[]?(?:95 % )?({NUMBER})(?:–| to )({NUMBER})[)\]]?"),
    "n": re.compile(rf"\bn =? ?({NUMBER})"),
    "seeds": re.compile(r"(\d+) seeds?\b"),
}
BELOW = {"chance": re.compile(rf" chance ({NUMBER})(?= |$)"), "n": re.compile(rf" n ({NUMBER})$")}
VALUE = re.compile(rf"(?:[▲▼] ?)?({NUMBER})(?:\^[\d, ]+)?(?= |$|;)")
MINUS = re.compile(r"−(?=\d)")
ORDER = ("", "low", "high", "change", "n", "seeds", "said")
EMPTY = ("–", "-", "")


def numbers_of(text: str) -> dict[str, str] | None:
    """{"": value, "low", "high", "change", "n", "seeds", "said": the rest}, what there is of it; None for plain text:
    without an interval or an n, or with no number in front."""
    found: dict[str, str] = {}
    value = VALUE.match(text)
    rest = text
    if value and not PARTS["interval"].match(text):
        found[""], rest = plain(value[1]), text[value.end() :]
    elif not PARTS["interval"].match(text):
        return None
    for name in ("change", "interval", "n", "seeds"):
        if match := PARTS[name].search(rest):
            rest = f"{rest[: match.start()]} · {rest[match.end() :]}"
            said = [plain(one) for one in match.groups() if one is not None]
            found |= dict(zip(("low", "high") if name == "interval" else (name,), said, strict=True))
    if not found.keys() & {"low", "n", "seeds"}:
        return None
    said = MINUS.sub("-", "; ".join(part for part in (one.strip(" ,;") for one in rest.split("·")) if part))
    return found | ({"said": said} if said else {})


def with_brackets(text: str) -> str:
    """`61.2 (55.0–67.1), n 320` of a cell with a value and an interval; other text as it is."""
    parts = numbers_of(text) or {}
    if "" not in parts or "low" not in parts or "(" in text:
        return text
    whole = rf"(?<![\d.,+−-])({NUMBER}(?:–| to ){NUMBER})"
    return re.sub(r" ?·", ",", re.sub(whole, r"(\1)", text, count=1))


def plain(number: str) -> str:
    """As programs read it: 1,234 -> 1234, −0.5 -> -0.5, +3.1 -> 3.1."""
    return number.replace(",", "").replace("−", "-").lstrip("+±")


def split_names(cells: Sequence[str]) -> dict[str, list[str]]:
    """The names of rows, and what the page writes below each: the chance level and an n that holds for all columns."""
    found = {part: [(pattern.search(text) or ["", ""])[1] for text in cells] for part, pattern in BELOW.items()}
    names = [BELOW["n"].sub("", BELOW["chance"].sub("", text)).replace("  ", " ") for text in cells]
    return {"": names} | {part: [plain(one) for one in said] for part, said in found.items() if any(said)}


def split_column(name: str, cells: Sequence[str]) -> dict[str, list[str]]:
    """A table's column as columns of a CSV file: `NAME`, `NAME low`, `NAME high`, ... or as it is, where none of its
    cells has an interval or n."""
    parts = [numbers_of(text) for text in cells]
    if not any(parts):
        return {name: ["" if text == "–" else _alone(text) for text in cells]}
    # what is no number with an interval (a count, a word) stays whole under the column's own name
    read = [part or {"": "" if text in EMPTY else _alone(text)} for part, text in zip(parts, cells, strict=True)]
    there = [part for part in ORDER if any(one.get(part) for one in read)]
    return {f"{name} {part}".strip(): [one.get(part, "") for one in read] for part in there}


def _alone(text: str) -> str:
    return plain(text) if re.fullmatch(NUMBER, text) else MINUS.sub("-", text)
