"""SkinCon's layout: what can be seen of a species are the concepts; birds are Fitzpatrick17k's pictures, fish DDI's.

The second annotation file has its columns in another order and no column that leaves pictures out, as downloaded.
"""

from ...shared.seeding import address_hash
from ..canvas import png
from ..miniature import Miniature
from ..several_labels import labels_of, write_texts

SEEN_AS = {
    "body": {"red": "erythema", "purple": "purple", "black": "black", "yellow": "yellow", "blue": "blue"},
    "tail": {"forked": "papule", "round": "plaque", "square": "macule"},
    "belly": {"striped": "scale", "spotted": "brown(hyperpigmentation)"},
    "bill": {"long": "dome-shaped"},
}
# Columns that no drawn picture has, too.
CONCEPTS = ["vesicle", "papule", "macule", "plaque", "scale", "dome-shaped", "brown(hyperpigmentation)"]
CONCEPTS += ["purple", "yellow", "black", "erythema", "blue", "cyst"]


def write(mini: Miniature) -> None:
    annotated = {"fitzpatrick17k": [], "ddi": []}
    lists = {"train": [], "test": []}
    for shot in mini.shots("train", "test"):
        labels = labels_of(shot.species, SEEN_AS)
        number = address_hash("skincon", shot.species.name, shot.split, shot.number)
        part, suffix = ("fitzpatrick17k", "jpg") if shot.species.look.meta == "bird" else ("ddi", "png")
        name = f"{number:032x}.{suffix}"
        mini.picture(f"{part}/{name}", shot, **({"encode": png} if suffix == "png" else {}))
        annotated[part].append((name, set(labels)))
        lists[shot.split].append(f"{part}/{name},{' '.join(str(CONCEPTS.index(label)) for label in labels)}")
    for part, columns in (("fitzpatrick17k", CONCEPTS), ("ddi", [*CONCEPTS[3:], *CONCEPTS[:3]])):
        left_out = part == "fitzpatrick17k"
        header = ["", "ImageID", *(one.capitalize() for one in columns)]
        rows = [",".join(header + ["Do not consider this image"] * left_out)]
        for number, (name, labels) in enumerate(annotated[part]):
            marks = [str(int(one in labels)) for one in columns]
            rows.append(",".join([str(number), name, *marks] + ["0"] * left_out))
        if left_out:
            rows.append(",".join([str(len(annotated[part])), "unclear.jpg", *("0" for _ in columns), "1"]))
        mini.lines(f"annotations_{part}.csv", rows)
    for split, lines in lists.items():
        mini.lines(f"{split}.csv", lines)
    write_texts(mini, SEEN_AS, "skin concept")
