"""FG-BMK's own lists: classes.txt, train.csv and test.csv, one label a picture; paths hold blanks and commas."""

from ..miniature import Miniature


def write(mini: Miniature) -> None:
    numbers = {species.name: number for number, species in enumerate(mini.species)}
    lists = {"train": [], "test": []}
    for shot in mini.shots("train", "test"):
        name = shot.species.name
        image = f"images/{name}, {shot.species.look.meta}/{shot.split} {shot.number:04}.jpg"
        mini.picture(image, shot)
        lists[shot.split].append(f"{image},{numbers[name]}")
    for split, lines in lists.items():
        mini.lines(f"{split}.csv", lines)
    mini.lines("classes.txt", list(numbers))
    mini.texts()
