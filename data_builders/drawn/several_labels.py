"""The drawn species as pictures that bear several labels: a label is something that can be seen of a species' look."""

from .miniature import Miniature
from .taxonomy import Species

# part of the look -> its value -> label
SeenAs = dict[str, dict[str, str]]


def labels_of(species: Species, seen_as: SeenAs) -> list[str]:
    """The labels of its pictures, in the order of the table; parts without a label are left out."""
    values = [(names, getattr(species.look, part)) for part, names in seen_as.items()]
    return [names[value] for names, value in values if value in names]


def write_texts(mini: Miniature, seen_as: SeenAs, kind: str, none: str | None = None) -> None:
    """texts/<label>.txt: what a label looks like, and on which species; `none` is the label of species without any."""
    for part, names in seen_as.items():
        for value, label in names.items():
            shown = [species.name for species in mini.species if getattr(species.look, part) == value]
            if shown:
                what = f"{label.capitalize()} is a {kind}, drawn as a {value} {part}."
                mini.lines(f"texts/{label}.txt", [f"{what} The {kind} {label} is seen on {', '.join(shown)}."])
    if none is not None:
        bare = [species.name for species in mini.species if not labels_of(species, seen_as)]
        mini.lines(f"texts/{none}.txt", [f"A {none} without any {kind} is drawn as {', '.join(bare)}."])
