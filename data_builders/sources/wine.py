"""Wine: Tianchi's pictures of bottles of spirits with defects of cap, label and printed code.

The download has boxes of defects (annotations.json) but no split, and its test part no labels. FG-BMK made its own
lists: train.csv and test.csv with the numbers of the defects in each picture (0 = none), and their names in
classes.txt. Those lists are therefore the layout that is read here.
"""

from pathlib import Path

from .base import About, Level, Source
from .fgbmk_lists import class_names, labelled, listed_images
from .reading import check_images

ABOUT = About(
    title="Wine (Tianchi, defects of bottles)",
    where="https://tianchi.aliyun.com/dataset/110147 (lists: https://huggingface.co/datasets/SEU-VIPGroup/FG-BMK)",
    layout="images/ as downloaded, and FG-BMK's train.csv, test.csv and classes.txt (machine-oriented/wine) beside it",
)


def read(root: Path) -> Source:
    """One level, defect; a picture may bear several labels."""
    names = class_names(root)
    rows = (labelled(place, image, split, labels, names, True) for place, image, split, labels in listed_images(root))
    images = check_images("Wine", root, rows, root / "train.csv")
    return Source("wine", root, images, (Level("defect", "defect", "defects"),), meta="bottle")
