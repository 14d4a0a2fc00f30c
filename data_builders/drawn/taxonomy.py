"""The drawn world's creatures: class > genus > species, with invented names.

A genus fixes body colour, tail and bill; its species differ from each other in one or two of crown, wing and belly.
The table does not depend on the seed (only the pictures do), so that a model that knows the names knows them in every
drawn world.
"""

from dataclasses import asdict, dataclass

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 36),
    "orange": (255, 150, 30),
    "yellow": (248, 222, 52),
    "green": (36, 160, 62),
    "blue": (42, 84, 220),
    "purple": (152, 50, 196),
    "black": (20, 20, 24),
    "white": (250, 250, 250),
}
TAILS = ("forked", "round", "square")
BILLS = ("short", "long")
BELLIES = ("plain", "striped", "spotted")

# Attribute as FG-BMK's attribute questions name it -> its values.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "body color": tuple(COLORS),
    "crown color": tuple(COLORS),
    "wing color": tuple(COLORS),
    "tail shape": TAILS,
    "bill length": BILLS,
    "belly pattern": BELLIES,
}


@dataclass(frozen=True)
class Look:
    """All that can be seen of a creature, pose and light apart."""

    meta: str  # bird or fish
    body: str
    crown: str
    wing: str
    tail: str
    bill: str
    belly: str

    def attributes(self) -> dict[str, str]:
        """attribute -> value, in the order of ATTRIBUTES."""
        values = asdict(self)
        return {name: values[name.split()[0]] for name in ATTRIBUTES}


@dataclass(frozen=True)
class Species:
    name: str  # "lum wug"; the genus is the last word, as in CUB
    genus: str
    look: Look

    @property
    def folder(self) -> str:
        """ "Lum_Wug", as CUB writes names in paths."""
        return self.name.title().replace(" ", "_")


# genus, class, body, tail, bill, two crown colours, two wing colours, two bellies, the first words of its species
GENERA = (
    ("wug", "bird", "red", "forked", "short", "orange green", "purple black", "plain striped", "lum bek tor sil"),
    ("tib", "bird", "green", "round", "long", "black orange", "yellow white", "striped spotted", "nar pim vok dru"),
    ("zan", "bird", "blue", "square", "short", "black orange", "purple yellow", "spotted plain", "hax jin kel mop"),
    ("mek", "bird", "yellow", "forked", "long", "purple red", "white green", "plain striped", "ral sev tup wex"),
    ("dax", "fish", "black", "round", "short", "red purple", "blue green", "striped spotted", "yol zim bru cam"),
    ("fep", "fish", "white", "square", "long", "purple green", "black orange", "spotted plain", "dil fon gav hob"),
    ("gor", "fish", "orange", "forked", "short", "blue white", "red black", "plain spotted", "ker lof nib ost"),
    ("lun", "fish", "purple", "round", "long", "yellow black", "green white", "striped plain", "pav quo rix sud"),
)


def all_species() -> list[Species]:
    """The 32 species in the order of their class numbers."""
    found = []
    for genus, meta, body, tail, bill, crowns, wings, bellies, firsts in GENERA:
        crown, wing, belly = crowns.split(), wings.split(), bellies.split()
        # Each sibling leaves the first in one detail, so any two differ in one or two.
        details = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
        for first, (c, w, b) in zip(firsts.split(), details, strict=True):
            look = Look(meta, body, crown[c], wing[w], tail, bill, belly[b])
            found.append(Species(f"{first} {genus}", genus, look))
    return found
