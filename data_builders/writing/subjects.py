"""What a writer is told of a category: its names, what to call the thing in the picture, and its text."""

import re
from dataclasses import dataclass
from functools import cached_property

from ..naming import named_in, other_names
from ..shared.errors import UserError
from ..sources import LabelledImage, Source
from .texts import Text
from .unsaid import ANYTHING_GOES, Unsaid

# FG-BMK's meta-class words in plain English.
PLAIN_WORDS = {
    "aves": "bird",
    "mammalia": "mammal",
    "reptilia": "reptile",
    "amphibia": "amphibian",
    "insecta": "insect",
    "arachnida": "arachnid",
    "actinopterygii": "fish",
    "chondrichthyes": "fish",
    "mollusca": "mollusc",
    "plantae": "plant",
    "fungi": "fungus",
    "animalia": "animal",
}


@dataclass(frozen=True)
class Subject:
    category: str
    aliases: tuple[str, ...]  # as the source has them
    thing: str  # what questions call it: "bird", "grocery item", "object"
    text: Text
    unsaid: Unsaid = ANYTHING_GOES  # what neither questions nor answers may say

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All that a question must not say."""
        found = (self.category, *self.aliases, *other_names(self.category, self.text.body))
        return tuple(name for name in dict.fromkeys(found) if not named_in(self.thing, [name]))

    @property
    def lead(self) -> str:
        """ "The bird in the image is the lum wug.", with the article that the text uses."""
        name = r"[\s_-]+".join(map(re.escape, re.findall(r"[^\W_]+", self.category)))
        article = re.search(rf"\b(the|an?)\s+{name}\b", self.text.body, re.IGNORECASE)
        return f"The {self.thing} in the image is {article.group(1).lower() + ' ' if article else ''}{self.category}."

    def answer(self, text: str) -> str:
        """The text, with the name said first when it does not say it."""
        return text if named_in(text, [self.category]) else f"{self.lead} {text}".strip()


def thing_of(source: Source, row: LabelledImage) -> str:
    """What a question may call the thing in the picture; "object" where that would name it."""
    meta = source.meta_word(row, source.finest)
    thing = PLAIN_WORDS.get(meta.lower(), meta)
    return "object" if named_in(thing, [row.category]) else thing


def things(source: Source, rows: list[LabelledImage]) -> dict[str, str]:
    """category -> what questions call it, in order of appearance. UserError when pictures bear several labels."""
    if source.multi_label:
        raise UserError(f"pictures of {source.name} bear several labels; questions here ask about the one category")
    found: dict[str, str] = {}
    for row in rows:
        if row.category not in found:
            found[row.category] = thing_of(source, row)
    return found
