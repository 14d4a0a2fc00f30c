"""What FG-BMK has published of each data set: levels, names of files, how wrong labels were drawn, rows' `category`."""

from dataclasses import dataclass

from ..sources import LabelledImage, Level, Source


@dataclass(frozen=True)
class Published:
    """`levels` are named as in the sources here; of them `short_answers` are asked about by short answers, too."""

    levels: tuple[str, ...]
    short_answers: tuple[str, ...]
    siblings_first: bool = False


INAT_LEVELS = ("kingdom", "phylum", "class", "order", "family")
# the data set's name in paths -> what is published of its hierarchy
PUBLISHED = {
    "aircraft": Published(("variant",), ("variant",)),
    "cub": Published(("class", "genus", "species"), ("species",), siblings_first=True),
    "deepfashion": Published(("category",), ("category",)),
    "flowers102": Published(("species",), ("species",)),
    "iNat2021": Published(INAT_LEVELS, (), siblings_first=True),
    "mtarsi": Published(("category",), ("category",)),
    "stanfordcar": Published(("category",), ("category",)),
    "stanforddog": Published(("species",), ("species",)),
}

# Their true/false rows have the true label as category (as knowledge bias has for all), by which scores are grouped.
TRUE_LABEL = ("aircraft", "deepfashion", "cars", "mtarsi")
RANK_NAME = ("inat2021",)


def file_of(dataset: str, level: str, kind: str) -> str:
    """Below the track's folder; `level` as in paths."""
    written = "true_flase" if (dataset, level, kind) == ("cub", "class", "true_false") else kind  # published so
    return f"{dataset}/{level}/{level}_question_{written}.jsonl"


def level_of(level: Level) -> str:
    return level.published or level.name


def category_of(source: Source, row: LabelledImage, level: Level, kind: str) -> str:
    """The `category` of a hierarchical row."""
    if source.name in RANK_NAME:
        return level.rank
    return source.label(row, level) if kind == "true_false" and source.name in TRUE_LABEL else "generic"


def question_row(number: int, image: str, question: str, answer: str, category: str) -> dict:
    """A row with exactly the published fields, in their order; `number` counts from 1 in each file."""
    return {"question_id": number, "image": image, "text": question, "class": answer, "category": category}
