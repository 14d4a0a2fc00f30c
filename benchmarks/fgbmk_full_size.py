"""FG-BMK at full size: 1.01 million questions about 0.28 million images, from lists alone, no picture on the disk.

    python benchmarks/fgbmk_full_size.py [--folder DIR] [--keep]

Writes the lists of four data sets in their official layouts (names are invented), runs the command as a user would,
and prints wall time and peak memory of the process and of its children beside the bounds: 90 s and 2 GiB on two cores.
No published program writes these files, so nothing stands beside the time but the cost of serialising the same rows
once more, which any writer pays. Exit status 1 when a bound is broken.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from data_builders.shared.files import read_jsonl

SECONDS, GIBIBYTES = 90, 2.0
SYLLABLES = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "si", "tu")
NAMES = [f"{''.join(parts).title()}" for parts in product(SYLLABLES, repeat=4)]
# images in test, categories; the questions of an image are 3 kinds at 1, 3, 2 and 5 levels
FOOD, CUB, GROCERY, INAT = (250_000, 9_691), (15_000, 2_000), (9_000, 1_000), (4_200, 1_400)
SOURCES = "food101=food-101,cub=CUB_200_2011,grocery=GroceryStoreDataset,inat2021=inat2021"


def lines(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in rows)


def write_food(root: Path) -> None:
    images, classes = FOOD
    names = [f"{NAMES[i]}_Stew".lower() for i in range(classes)]
    lines(root / "meta/classes.txt", names)
    lines(root / "meta/train.txt", (f"{name}/{i}" for i, name in enumerate(names)))
    lines(root / "meta/test.txt", (f"{names[i % classes]}/{1_000_000 + i}" for i in range(images)))


def write_cub(root: Path) -> None:
    images, classes = CUB
    folders = [f"{i + 1:04}.{NAMES[i]}_{NAMES[-1 - i // 5]}" for i in range(classes)]  # five species in a genus
    pictures = [(i % classes, i < classes) for i in range(images + classes)]
    lines(root / "classes.txt", (f"{i} {name}" for i, name in enumerate(folders, 1)))
    lines(root / "images.txt", (f"{i} {folders[c]}/{i:06}.jpg" for i, (c, _) in enumerate(pictures, 1)))
    lines(root / "image_class_labels.txt", (f"{i} {c + 1}" for i, (c, _) in enumerate(pictures, 1)))
    lines(root / "train_test_split.txt", (f"{i} {int(train)}" for i, (_, train) in enumerate(pictures, 1)))


def write_grocery(root: Path) -> None:
    images, classes = GROCERY
    header = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)"
    rows = (f"{NAMES[i]}-Jar,{i},{NAMES[-1 - i // 10]}-Goods,{i // 10}" for i in range(classes))
    lines(root / "dataset/classes.csv", [header, *rows])
    for split, count in (("train", classes), ("test", images)):
        numbers = ((i, i % classes) for i in range(count))
        lines(root / f"dataset/{split}.txt", (f"{split}/{i:06}.jpg, {c}, {c // 10}" for i, c in numbers))


def write_inat(root: Path) -> None:
    images, classes = INAT
    ranks = {"kingdom": 400, "phylum": 200, "class": 100, "order": 50, "family": 20, "genus": 4}  # species in each
    categories = []
    for i in range(classes):
        above = {rank: NAMES[i // size] + "iyxeoa"[n] for n, (rank, size) in enumerate(ranks.items())}
        name = f"{above['genus']} {NAMES[-1 - i].lower()}"
        folder = "_".join([f"{i:05}", *above.values(), name.split()[1]])
        categories.append({"id": i, "name": name, "common_name": "", "image_dir_name": folder, **above})
    for split, count in (("train", classes), ("val", images)):
        pictures = [
            {"id": i, "file_name": f"{split}/{categories[i % classes]['image_dir_name']}/{i:06}.jpg"}
            for i in range(count)
        ]
        marks = [{"id": i, "image_id": i, "category_id": i % classes} for i in range(count)]
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{split}.json").write_text(
            json.dumps({"images": pictures, "categories": categories, "annotations": marks})
        )


def written(folder: Path) -> tuple[int, float]:
    """(rows, seconds to serialise them once more)."""
    rows = [row for path in sorted(folder.rglob("*.jsonl")) for row in read_jsonl(path)]
    start = time.perf_counter()
    size = sum(len(json.dumps(row, ensure_ascii=False)) for row in rows)
    assert size
    return len(rows), time.perf_counter() - start


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="where to write; default a temporary folder")
    arguments.add_argument("--keep", action="store_true", help="leave what was written")
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="fgbmk_full_size."))
    root, out = folder / "data", folder / "out"
    try:
        write_food(root / "food-101")
        write_cub(root / "CUB_200_2011")
        write_grocery(root / "GroceryStoreDataset")
        write_inat(root / "inat2021")
        command = [sys.executable, "-m", "data_builders", "fgbmk", "--root", str(root), "--out", str(out)]
        command += ["--source", SOURCES, "--check-images", "false", "--short-answers", "all"]
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1])
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = used.ru_maxrss / 2**20  # kibibytes on Linux
        questions, serialising = written(out)
        images = sum(count for count, _ in (FOOD, CUB, GROCERY, INAT))
        print(f"{questions:,} questions about {images:,} images")
        print(
            f"wall time      {seconds:6.1f} s    bound {SECONDS} s   ({used.ru_utime + used.ru_stime:.1f} s of a core)"
        )
        print(f"peak memory    {peak:6.2f} GiB  bound {GIBIBYTES} GiB")
        print(f"json alone     {serialising:6.1f} s    the command takes {seconds / serialising:.1f} times as long")
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return int(seconds > SECONDS or peak > GIBIBYTES)


if __name__ == "__main__":
    sys.exit(main())
