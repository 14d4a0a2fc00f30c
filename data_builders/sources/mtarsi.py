"""MTARSI: aircraft seen from above, each cut out of a larger picture; a folder per class ("Commercial-4engine/").

The download has no split. The test split is what FG-BMK asks about, as its lists at the root say, or else its question
files in FG-BMK/ beside the data set; all other pictures may be trained on.
"""

from collections.abc import Iterator
from pathlib import Path

from ..benchmark_images import ImageFolder
from ..fgbmk_layout import QUESTION_FILES
from ..shared.errors import UserError
from ..shared.files import read_jsonl
from .base import About, LabelledImage, Level, Source
from .fgbmk_lists import listed_images
from .reading import check_images, files_in, pictures_among, spelled

ABOUT = About(
    title="MTARSI (aircraft from above)",
    where="https://huggingface.co/datasets/amistele/MTARSI-fixed",
    layout="a folder per class, as downloaded; FG-BMK/ beside it or its train.csv and test.csv inside say what is test",
)
NAME = "mtarsi"  # in FG-BMK's paths
INSIDE = ("", "images", "data")


def read(root: Path) -> Source:
    """One level, category, spelt as the folders are; meta-class word "aircraft". The source's root is the folder that
    holds the classes' folders."""
    place, asked = test_images(root)
    top = next((root / one for one in INSIDE if ImageFolder(root / one).holds(next(iter(asked), ""))), root)
    nothing: dict[str, str] = {}
    rows = []
    for image in pictures(top):
        split = "test" if image in asked else "train"
        rows.append(LabelledImage(image, spelled(image.partition("/")[0]), split, nothing, nothing))
    there = {row.image for row in rows}
    # What is asked about and not there is named by the check, as a line of the lists.
    rows += [LabelledImage(image, "", "test", nothing, nothing) for image in asked if image not in there]
    images = check_images("MTARSI", top, rows, place)
    level = Level("category", "fine-grained category", "fine-grained categories", published="species")
    return Source("mtarsi", top, images, (level,), meta="aircraft")


def pictures(top: Path) -> Iterator[str]:
    """class/file of every picture, in the order of their names."""
    for folder in sorted(path for path in top.iterdir() if path.is_dir()):
        yield from (f"{folder.name}/{file}" for file in pictures_among(folder, files_in(folder))[0])


def test_images(root: Path) -> tuple[Path, dict[str, None]]:
    """(where it stands, the images that FG-BMK asks about). UserError where nothing says it."""
    if (root / "test.csv").exists():
        return root / "test.csv", dict.fromkeys(image for _, image, split, _ in listed_images(root) if split == "test")
    data = root.resolve().parent
    files = sorted(path for pattern in QUESTION_FILES for path in data.glob(pattern.replace("*", NAME, 1)))
    if not files:
        raise UserError(
            f"{root}: nothing says which pictures of MTARSI are its test split. Put FG-BMK (its question files about "
            f"mtarsi) into {data}, or FG-BMK's train.csv and test.csv of mtarsi into {root}"
        )
    return files[0], dict.fromkeys(row["image"] for path in files for row in read_jsonl(path) if "image" in row)
