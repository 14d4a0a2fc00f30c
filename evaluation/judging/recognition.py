"""Which category an answer names: one way to find it, for names scored as names and for recognition by rules (0-2).

The category named first decides, so that a right answer may go on to compare with others.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from data_builders.naming import singular, words

from .mentions import NameIndex, Text, first_of, same
from .taxonomy import NO_TAXONOMY, Taxonomy, aliases, coarser, key_of

# What an answer can come to, each exactly one of them. `sibling`: another category of the same parent; `other`: any
# other name of the data set; `unnamed`: none of its names.
EXACT, LEVEL, SIBLING, OTHER, UNNAMED = OUTCOMES = ("name_exact", "name_level", "sibling", "other", "unnamed")
GRADES = {EXACT: 2, LEVEL: 1, SIBLING: 0, OTHER: 0, UNNAMED: 0}  # FROW's Item_accuracy_score
OWN_WORD = "own_word"  # the level of a `name_level` that is no level's label: of its own name or reference ("737")


@dataclass(frozen=True)
class Naming:
    """`named`: the category (or coarser label) that the answer names, `level` of what level where it is no category
    of the asked level, `by` the words of the list that were found ("": `named` itself)."""

    outcome: str
    named: str = ""
    level: str = ""
    by: str = ""

    def reason(self) -> str:
        if self.outcome == EXACT:
            return f"names {self.named}" + (f" by the alias {self.by}" if self.by else "")
        if self.outcome == LEVEL:
            return f"names only the coarser {self.named}"
        if self.outcome == UNNAMED or self.level:
            return "does not name the category"
        return f"names {'the sibling' if self.outcome == SIBLING else 'another category,'} {self.named}"


class Known:
    """All names of a data set, with what a taxonomy adds to them."""

    def __init__(self, categories: Iterable[str] = (), taxonomy: Taxonomy = NO_TAXONOMY):
        self.taxonomy = taxonomy
        self._category_of: dict[str, str] = {}  # name, alias or member -> category
        for category in categories:
            kin = taxonomy.of(category)
            self._category_of |= dict.fromkeys([category, *kin.aliases, *kin.members], category)
        self._index = NameIndex(self._category_of)
        self._level_of: dict[str, str] = {}  # label of a coarser level -> level
        for kin in taxonomy.kin.values():
            self._level_of |= dict(zip(kin.ancestors, taxonomy.coarser, strict=False))
        self._above = NameIndex(self._level_of)

    def named(self, name: str, question: str, reference: str, answer: Text) -> Naming:
        """What the answer names, asked for the category `name`."""
        kin, key = self.taxonomy.of(name), key_of(name)
        own = [name, *aliases(name, reference), *kin.aliases]
        mine, others = [one for alias in own for one in answer.mentions(alias)], []
        for one in self._index.mentions(answer):
            if key_of(self._category_of[one.name]) == key:
                mine.append(one)
            elif not any(same(one.name, alias) for alias in own):
                others.append(one)
        found = first_of([*mine, *others])
        if found is None:
            return self._coarser(name, question, reference, answer)
        if found in mine:
            return Naming(EXACT, name, by="" if same(found.name, name) else found.name)
        wrong = self._category_of[found.name]
        outcome = SIBLING if siblings(name, wrong, self.taxonomy) else OTHER
        return Naming(outcome, wrong, by="" if same(found.name, wrong) else found.name)

    def _coarser(self, name: str, question: str, reference: str, answer: Text) -> Naming:
        # what the question gives away ("the bird in the image") is not recognised
        given = set(map(singular, words(question)))
        kin = self.taxonomy.of(name)
        levels = dict(zip(kin.ancestors, self.taxonomy.coarser, strict=False))
        for label in (*kin.ancestors, *coarser(name, reference)):
            if not set(map(singular, words(label))) <= given and answer.mentions(label):
                return Naming(LEVEL, label, levels.get(label, OWN_WORD))
        found = first_of(
            one
            for one in self._above.mentions(answer)
            if one.name not in levels and not set(map(singular, words(one.name))) <= given
        )
        return Naming(OTHER, found.name, self._level_of[found.name]) if found else Naming(UNNAMED)


def judge_item(name: str, question: str, reference: str, answer: Text, known: Known) -> tuple[int, str]:
    """2: the category or an alias; 1: only what it is a kind of; 0: none or another one, a sibling too."""
    if not answer.words:
        return 0, "the answer is empty"
    found = known.named(name, question, reference, answer)
    return GRADES[found.outcome], found.reason()


def siblings(name: str, other: str, taxonomy: Taxonomy) -> bool:
    """Do both lie under the same nearest ancestor? Without a taxonomy: do they end in the same word?"""
    above, beside = taxonomy.of(name).ancestors, taxonomy.of(other).ancestors
    if above and beside:
        return above[0] == beside[0]
    if taxonomy.kin:
        return False
    return words(name)[-1:] == words(other)[-1:] or bool(set(coarser(name, "")) & set(coarser(other, "")))
