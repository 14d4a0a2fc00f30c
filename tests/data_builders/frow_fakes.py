"""What the tests of `frow` build, and what they read of it."""

import csv

from data_builders.build import build
from data_builders.shared.files import read_jsonl

NAMES = ["red jay", "blue jay", "stellers jay", "song sparrow", "fox sparrow", "winter wren", "mockingbird"]


TEXT = "The {name} is a bird of the family Corvidae. It lives in old forests. It feeds on beetles. Its song is loud."


def make(cub, texts, out, **more):
    return build("frow", root=cub, out=out, options={"source": "cub", "texts": str(texts), **more})


def as_evaluation_reads(names, folders):
    from evaluation.tasks.load import load_tasks

    return load_tasks(names, folders)


def questions(out, dataset="cub"):
    return list(read_jsonl(out / "FROW" / f"{dataset}_with_reference.jsonl"))


def review(out):
    with open(out / "FROW" / "cub_review.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def mark(out, rows, delimiter=","):
    with open(out / "FROW" / "cub_review.csv", "w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, rows[0], delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)


def make_texts(folder):
    """A text per category, in a file that bears its name."""
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.txt").write_text(TEXT.format(name=name))
    return folder
