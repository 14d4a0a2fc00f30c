"""Oxford-IIIT Pets' layout: the birds are its cats, whose pictures begin with a capital, the fish its dogs."""

from ..miniature import Miniature

SPECIES = {"bird": 1, "fish": 2}
HEAD = ("#Image CLASS-ID SPECIES BREED ID", "#ID: 1:32 Class ids", "#SPECIES: 1:Cat 2:Dog")


def write(mini: Miniature) -> None:
    within: dict[int, int] = {}
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for label, species in enumerate(mini.species, 1):
        kind = SPECIES[species.look.meta]
        within[kind] = within.get(kind, 0) + 1
        breed = species.name.replace(" ", "_")
        breed = breed.capitalize() if kind == 1 else breed
        shots = [shot for shot in mini.shots("train", "test") if shot.species is species]
        for number, shot in enumerate(shots, 1):
            mini.picture(f"images/{breed}_{number}.jpg", shot)
            lines[shot.split].append(f"{breed}_{number} {label} {kind} {within[kind]}")
    mini.lines("annotations/trainval.txt", lines["train"])
    mini.lines("annotations/test.txt", lines["test"])
    mini.lines("annotations/list.txt", [*HEAD, *sorted([*lines["train"], *lines["test"]])])
    mini.texts()
