"""A text's sentences, as far as full stops tell."""

import re
from collections.abc import Sequence
from functools import lru_cache

# A full stop behind these does not end a sentence.
ABBREVIATIONS = (
    r"(?:\b(?:e\.g|i\.e|etc|ca|approx|cf|vs|var|ssp|subsp|sp|spp|cv|St|Mt|Dr|Mr|Mrs|No|Jr|U\.S|U\.K|[A-Z]))\.$"
)
BOUNDARY = re.compile(r"(?<=[.!?])[\"”’)\]]?\s+(?=[\"“‘(\[]?[A-Z0-9])")
# Sentences that begin so need the one before them.
LEANING = re.compile(
    r"^(these|this|those|then|finally|both|also|such|here|there it|however|in contrast|the most common ones)\b", re.I
)


@lru_cache(maxsize=256)  # a writer comes back to each text many times
def sentences(text: str) -> tuple[str, ...]:
    """In order; headings and lists' entries (lines without a full stop) are left out."""
    found = []
    for line in re.split(r"\n+", text):
        line = " ".join(line.split())
        if not line or line.startswith("=") or not re.search(r"[.!?][\"”’)\]]*$", line):
            continue
        start = ""
        for part in BOUNDARY.split(line):
            start = f"{start} {part}".strip()
            if not re.search(ABBREVIATIONS, start):
                found.append(start)
                start = ""
        if start:
            found.append(start)
    return tuple(found)


def with_context(listed: Sequence[str], number: int) -> list[int]:
    """The places of a sentence and of those before it without which it cannot be understood."""
    places = [number]
    while places[0] > 0 and len(places) < 3 and LEANING.match(listed[places[0]]):
        places.insert(0, places[0] - 1)
    return places
