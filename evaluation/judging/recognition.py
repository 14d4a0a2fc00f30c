"""Recognition by rules (0-2): which category does the answer name first?"""

from collections.abc import Iterable

from data_builders.writing.naming import singular, words

from .mentions import Mention, Text, first_named, same
from .taxonomy import NO_TAXONOMY, Taxonomy, aliases, coarser


def judge_item(
    name: str,
    question: str,
    reference: str,
    answer: Text,
    categories: Iterable[str],
    taxonomy: Taxonomy = NO_TAXONOMY,
) -> tuple[int, str]:
    """2: the category or an alias; 1: only what it is a kind of; 0: none or another one, a sibling too.

    The category named first decides, so that a right answer may go on to compare with others.
    """
    if not answer.words:
        return 0, "the answer is empty"
    own = [name, *aliases(name, reference), *taxonomy.of(name).aliases]
    others: dict[str, str] = {}  # name or alias -> category
    for category in categories:
        if not same(category, name):
            others |= dict.fromkeys([category, *taxonomy.of(category).aliases], category)
    others = {one: category for one, category in others.items() if not any(same(one, mine) for mine in own)}
    found = first_named(answer, [*own, *others])
    if found is None or found.name in own:
        return right_or_coarse(name, question, reference, answer, taxonomy, found)
    wrong = others[found.name]
    return 0, f"names {'the sibling' if siblings(name, wrong, taxonomy) else 'another category,'} {wrong}"


def right_or_coarse(
    name: str, question: str, reference: str, answer: Text, taxonomy: Taxonomy, found: Mention | None
) -> tuple[int, str]:
    if found is not None:
        alias = "" if same(found.name, name) else f" by the alias {found.name}"
        return 2, f"names {name}{alias}"
    # what the question gives away ("the bird in the image") is not recognised
    given = set(map(singular, words(question)))
    for ancestor in (*taxonomy.of(name).ancestors, *coarser(name, reference)):
        if not set(map(singular, words(ancestor))) <= given and answer.mentions(ancestor):
            return 1, f"names only the coarser {ancestor}"
    return 0, "does not name the category"


def siblings(name: str, other: str, taxonomy: Taxonomy) -> bool:
    """Do both lie under the same nearest ancestor, or end in the same word?"""
    above, beside = taxonomy.of(name).ancestors, taxonomy.of(other).ancestors
    if above and beside:
        return above[0] == beside[0]
    return words(name)[-1:] == words(other)[-1:] or bool(set(coarser(name, "")) & set(coarser(other, "")))
