"""Small data sets in official layouts, made on the spot."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SPECIES = {  # three genera; the last has one species
    "001.Red_Jay": 4,
    "002.Blue_Jay": 4,
    "003.Stellers_Jay": 4,
    "004.Song_Sparrow": 4,
    "005.Fox_Sparrow": 4,
    "006.Winter_Wren": 4,
    "007.Mockingbird": 4,
}


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No two files are equal, or training and test pictures of one shade would be the same picture.
    name, in_png = "/".join(path.parts[-4:]), PngInfo()
    in_png.add_text("name", name)
    Image.new("RGB", (40, 24), (shade % 256, 40, 90)).save(path, comment=name, pnginfo=in_png)


def make_cub(root: Path) -> Path:
    """Seven species with two training and two test images each."""
    images, labels, splits = [], [], []
    for class_id, (name, count) in enumerate(SPECIES.items(), 1):
        for number in range(count):
            image_id, path = len(images) + 1, f"{name}/{name[4:]}_{number:04}.jpg"
            picture(root / "images" / path, image_id)
            images.append(f"{image_id} {path}")
            labels.append(f"{image_id} {class_id}")
            splits.append(f"{image_id} {int(number < count // 2)}")
    lists = {
        "images.txt": images,
        "image_class_labels.txt": labels,
        "train_test_split.txt": splits,
        "classes.txt": [f"{i} {name}" for i, name in enumerate(SPECIES, 1)],
    }
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def make_grocery(root: Path) -> Path:
    classes = [("Royal-Gala", 0, "Apple", 0), ("Pink-Lady", 1, "Apple", 0), ("Arla-Milk", 7, "Milk", 3)]
    classes += [("Oat-Milk", 8, "Oat-Milk", 4), ("Soy-Milk", 9, "Soy-Milk", 5), ("Lemon", 10, "Lemon", 6)]
    data = root / "dataset"
    data.mkdir(parents=True)
    lines = ["Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic,Description"]
    (data / "classes.csv").write_text("\n".join([*lines, *(f"{n},{i},{c},{k},a,b" for n, i, c, k in classes)]) + "\n")
    for split in ("train", "test"):
        rows = []
        for name, number, _, coarse in classes:
            path = f"{split}/Food/{name}/{name}_1.jpg"
            picture(data / path, number)
            rows.append(f"{path}, {number}, {coarse}")
        (data / f"{split}.txt").write_text("\n".join(rows) + "\n")
    return root


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
