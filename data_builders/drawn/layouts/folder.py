"""A folder per class with a taxonomy.csv: species in folders of their genus, train/, val/ and test/."""

from ..miniature import Miniature
from ..taxonomy import ATTRIBUTES


def write(mini: Miniature) -> None:
    for shot in mini.shots():
        mini.picture(f"{shot.split}/{shot.species.genus}/{shot.species.folder}/{shot.number:04}.jpg", shot)
    rows = [",".join(("species", "genus", "class", "aliases", *(f"attribute:{name}" for name in ATTRIBUTES)))]
    for species in mini.species:
        first, genus = species.name.split()
        aliases = f"{first} {species.look.meta}|{genus} {first}"
        rows.append(",".join((species.folder, genus, species.look.meta, aliases, *species.look.attributes().values())))
    mini.lines("taxonomy.csv", rows)
    mini.texts()
