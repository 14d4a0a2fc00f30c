"""`tf_balanced`: true/false training rows in which every category occurs equally often, as in FG-BMK's study of
knowledge bias: an equal number of images of each category, an equal number of questions about each.

With N questions per category and m images of each (per level of names, in each data set), these hold exactly:

* every category is asked about in N questions: N/2 whose answer is yes and N/2 whose answer is no;
* every category is shown in N questions, of m images, again half yes and half no; each of its images is in as many yes
  as no questions, and in as many questions as any other of its images, or in two more;
* the wrong labels of a category are all others of its super-category (as in knowledge bias), each as often as any
  other or once more; with `negatives: siblings` they are its siblings, if it has some;
* no question is asked twice about an image, and the wrong labels of an image differ while N/2 is no more than there
  are wrong labels.

m is the number of images in the smallest category, or N/2 if that is less. A category that is alone in its
super-category, or has no siblings, shares wrong labels with others like it, or joins another group when it is the only
one.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from .builder import Builder
from .options import TrainingOptions
from .question_maker import Asker, WordingCount
from .records import independent_turns
from .shared.errors import UserError
from .shared.seeding import Draws, address_hash
from .short_answer import at_most, row_id
from .source_rows import write_source_rows
from .sources import LabelledImage, Level, Source
from .templates import true_false


class TfBalancedOptions(TrainingOptions):
    level: str | None = Field(None, description="level of the labels asked about; default the finest")
    per_category: int | None = Field(
        None, ge=2, description="questions about each category, an even number; default two for each image"
    )
    images_per_category: int | None = Field(
        None, ge=1, description="default as many as the smallest category has, at most half of per_category"
    )
    negatives: Literal["any", "siblings"] = Field(
        "any", description="wrong labels: any other category, or siblings where there are some"
    )
    wordings: WordingCount = Field(4, description="4 as FG-BMK has them, or 10, six of them our own")

    @field_validator("per_category")
    @classmethod
    def even(cls, value: int | None) -> int | None:
        if value is not None and value % 2:
            raise ValueError(f"half of the questions are yes and half no; write {value - 1} or {value + 1}")
        return value


def rows_of(source: Source, options: TfBalancedOptions) -> Iterator[dict]:
    level = source.level(options.level)
    if source.multi_label:
        raise UserError(f"tf_balanced: images of {source.name} bear several labels; their occurrences cannot be equal")
    groups: dict[str, list[LabelledImage]] = {}
    for row in at_most(source.split(options.split), options.max_images_per_class, options.seed):
        groups.setdefault(source.label(row, level), []).append(row)
    if len(groups) < 2:
        raise UserError(f"tf_balanced: {source.name} has one {level.name} only, {next(iter(groups))!r}; none is wrong")
    images, half = sizes(groups, options)
    asker = Asker(source, options.split, options.seed, "tf_balanced", options.wordings)
    wrong = wrong_labels(blocks(groups, source, level, options), half, (options.seed, source.name, level.name))
    for label, rows in groups.items():
        for row, slots in shown(rows, images, half, options.seed):
            words = asker.words(row, level)
            order = list(Draws(options.seed, "tf_balanced", level.name, row.image).order(options.wordings))
            pairs = []
            for number, slot in enumerate(slots):
                which = order[number % options.wordings]
                statements = [(label, "yes"), (wrong[label][slot], "no")]
                if Draws(options.seed, "tf_balanced", "which first", level.name, row.image, number).below(2):
                    statements.reverse()
                pairs += [(true_false(which, words, asked), answer) for asked, answer in statements]
            yield {
                "id": row_id(f"{source.name}/tf_balanced/{level.name}", row.image),
                "image": row.image,
                "turns": "independent",
                "conversations": independent_turns(pairs),
                "source": source.name,
                "kind": "tf_balanced",
                "category": row.category,
            }


def sizes(groups: dict[str, list[LabelledImage]], options: TfBalancedOptions) -> tuple[int, int]:
    """(images of each category, half of the questions about each). UserError when there are too few images."""
    smallest = min(groups, key=lambda label: len(groups[label]))
    have = len(groups[smallest])
    if options.images_per_category is not None and options.images_per_category > have:
        raise UserError(
            f"tf_balanced: images_per_category is {options.images_per_category}, but {smallest!r} has {have} training "
            f"images; write at most {have}"
        )
    half = options.per_category // 2 if options.per_category else options.images_per_category or have
    images = options.images_per_category or min(have, half)
    if images > half:
        raise UserError(
            f"tf_balanced: {images} images of each category need {2 * images} questions or more; "
            f"per_category is {2 * half}"
        )
    if half > images * options.wordings:
        raise UserError(
            f"tf_balanced: per_category is {2 * half}, but {smallest!r} has {have} training images; {images} images in "
            f"{options.wordings} wordings make at most {2 * images * options.wordings} different questions; write "
            "that, or wordings: 10"
        )
    return images, half


def blocks(
    groups: dict[str, list[LabelledImage]], source: Source, level: Level, options: TfBalancedOptions
) -> list[list[str]]:
    """The labels in the blocks among which wrong labels are drawn: super-categories, or groups of siblings."""
    above = [one.name for one in source.levels[: source.levels.index(level)]]
    wanted = above[-1:] if options.negatives == "siblings" else [name for name in above if name == source.meta]
    families: dict[str, list[str]] = {}
    for label, rows in groups.items():
        families.setdefault(rows[0].parents[wanted[0]] if wanted else "", []).append(label)
    found = [family for family in families.values() if len(family) > 1]
    alone = [family[0] for family in families.values() if len(family) == 1]
    if len(alone) == 1:
        found[-1] += alone
    elif alone:
        found.append(alone)
    return found


def wrong_labels(blocks: list[list[str]], slots: int, address: tuple) -> dict[str, list[str]]:
    """Label -> the wrong label asked in each slot. In each slot every label is asked once: the block stands in a drawn
    ring, and everyone asks for the one some steps on; the steps, all but none and all, are drawn in turn."""
    found: dict[str, list[str]] = {}
    for block in blocks:
        ring = sorted(block, key=lambda label: address_hash(*address, "ring", label))
        steps: list[int] = []
        while len(steps) < slots:
            draws = Draws(*address, "steps", block[0], len(steps))
            steps += [1 + step for step in draws.order(len(ring) - 1)]
        for place, label in enumerate(ring):
            found[label] = [ring[(place + step) % len(ring)] for step in steps[:slots]]
    return found


def shown(rows: Iterable[LabelledImage], images: int, slots: int, seed: int) -> Iterator[tuple[LabelledImage, range]]:
    """The chosen images of a category, in their order, with the slots of each: as many, or one more."""
    ranked = sorted(rows, key=lambda row: address_hash(seed, "tf_balanced", "images", row.image))[:images]
    place = {row.image: number for number, row in enumerate(ranked)}
    for row in rows:
        if row.image in place:
            yield row, range(place[row.image], slots, images)


def build(root: Path, out: Path, options: TfBalancedOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="tf_balanced", sources=sources, options=options)


BUILDER = Builder(
    "training rows: true/false questions in which every category occurs equally often, half yes and half no",
    TfBalancedOptions,
    build,
)
