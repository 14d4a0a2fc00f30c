"""What FG-BMK calls things: data sets in paths, levels in paths, and the `category` of a row."""

from ..sources import LabelledImage, Level, Source

# source -> the data set's name in FG-BMK's paths, where it is another
DATASETS = {"dogs": "stanforddog", "cars": "stanfordcar", "inat2021": "iNat2021"}
# Their true/false rows have the true label as category (as knowledge bias has for all), by which scores are grouped.
TRUE_LABEL = ("aircraft", "deepfashion", "cars", "mtarsi")
RANK_NAME = ("inat2021",)


def dataset_of(source: str) -> str:
    return DATASETS.get(source, source)


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
