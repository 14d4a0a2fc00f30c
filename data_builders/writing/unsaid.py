"""Names that no text of a training set may say, as their categories are held out."""

import re
from collections.abc import Iterable

from ..naming import Names
from ..sources import Source, same_name
from .sentences import sentences


class Unsaid:
    """`inside` a longer name that may be said ("crow" in "fish crow"), a name is not said."""

    def __init__(self, names: Iterable[str], others: Iterable[str] = ()) -> None:
        names = tuple(names)
        self._names, own = Names(names), set(map(same_name, names))
        longer = [one for one in set(others) if same_name(one) not in own and self._names.said_in(one)]
        longer.sort(key=len, reverse=True)
        spelt = [r"[\s_-]+".join(map(re.escape, re.findall(r"[^\W_]+", one))) for one in longer]
        self._inside = re.compile("|".join(rf"\b{one}s?\b" for one in spelt) or r"(?!)", re.IGNORECASE)

    def said_in(self, text: str) -> str | None:
        """The first of the names that the text says; None when it says none."""
        return self._names.said_in(self._inside.sub(" ", text))

    def without(self, text: str) -> str:
        """The text as it is where it says none of the names, else its sentences that say none."""
        if self.said_in(text) is None:
            return text
        return " ".join(one for one in sentences(text) if self.said_in(one) is None)


ANYTHING_GOES = Unsaid(())


def unsaid_of(source: Source) -> Unsaid:
    """What a text for a training set of this source must not say."""
    if source.held_out is None:
        return ANYTHING_GOES
    kept = (label for level in source.levels for label in source.labels(level))
    other = (alias for aliases in source.aliases.values() for alias in aliases)
    return Unsaid(source.held_out.said, [*kept, *other])
