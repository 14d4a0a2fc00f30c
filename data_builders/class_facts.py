"""What is known of categories without a picture: how sure it is that one has a value of an attribute.

CUB-200-2011 (and what lies on disk as it does) says it of each class: the share of annotators who saw it
(class_attribute_labels_continuous.txt). Of other data sets with attributes it is the share of a category's pictures.
"""

from collections import defaultdict

from .shared.errors import UserError
from .sources import Source

HAS, LACKS = 0.5, 0.1  # from which share a category has a value, and up to which it has not
Fact = tuple[str, str]  # attribute, value


def class_facts(source: Source) -> dict[str, dict[Fact, float]]:
    """Finest label -> (attribute, value) -> share in 0..1, what is not listed being 0. UserError without attributes."""
    if source.name == "cub":
        from .sources.cub import class_shares

        if shares := class_shares(source.root):
            return {name: shares[name] for name in source.labels(source.finest) if name in shares}
    counts: dict[str, dict[Fact, int]] = defaultdict(lambda: defaultdict(int))
    pictures: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in source.images:
        for attribute, value in row.attributes.items():
            counts[row.category][attribute, value] += 1
            pictures[row.category][attribute] += 1
    if not counts:
        raise UserError(f"{source.name} at {source.root} has no attributes, so nothing is known of its categories")
    return {
        name: {fact: count / pictures[name][fact[0]] for fact, count in found.items()} for name, found in counts.items()
    }
