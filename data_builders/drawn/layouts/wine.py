"""Wine's layout: FG-BMK's lists beside images/; what can be seen of a species are defects of a bottle."""

from ..miniature import Miniature
from ..several_labels import labels_of, write_texts

NO_DEFECT = "bottle"
SEEN_AS = {
    "tail": {"forked": "deformed cap", "square": "broken cap"},
    "belly": {"striped": "wrinkled label", "spotted": "label with bubbles"},
}
CLASSES = [NO_DEFECT, *(label for names in SEEN_AS.values() for label in names.values())]


def write(mini: Miniature) -> None:
    lists = {"train": [], "test": []}
    for number, shot in enumerate(mini.shots("train", "test"), 1):
        labels = labels_of(shot.species, SEEN_AS) or [NO_DEFECT]
        image = f"images/img_{number * 53:07}.jpg"
        mini.picture(image, shot)
        lists[shot.split].append(f"{image},{' '.join(str(CLASSES.index(label)) for label in labels)}")
    for split, lines in lists.items():
        mini.lines(f"{split}.csv", lines)
    mini.lines("classes.txt", CLASSES)
    write_texts(mini, SEEN_AS, "defect", none=NO_DEFECT)
