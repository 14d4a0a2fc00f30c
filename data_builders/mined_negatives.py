"""Wrong names that are hard to tell from the right one, ranked by a model: read from a file, as no model runs here.

{"level": "species", "pictures": "train", "made_by": {"model": ..., "model_hash": ..., "how": ...},
 "confusions": {"laysan albatross": ["black footed albatross", "sooty albatross", ...], ...}}

`python -m evaluation features ... --confusions FILE` writes one by an encoder's features, `python -m evaluation
confusions ... --out FILE` by the likelihood of names. `pictures`: of which split the model has seen pictures for it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import AfterValidator

from .shared.errors import UserError
from .shared.files import read_json, sha256_file
from .shared.seeding import Draws
from .sources.base import same_name

HOW_TO = (
    "Make one: python -m evaluation features --model MODEL --source SOURCE --root DIR --out DIR --confusions FILE, or "
    "python -m evaluation confusions"
)


@dataclass(frozen=True)
class MinedNegatives:
    path: Path
    level: str
    pictures: str
    made_by: dict
    ranked: dict[str, list[str]] = field(repr=False)

    def of(self, label: str, other_names: dict[str, tuple[str, ...]]) -> list[str]:
        """The wrong names for a label, the hardest first, without what means the same: the label in another spelling,
        or one of its other names. UserError: the file does not know the label."""
        if label not in self.ranked:
            label = self._by_spelling.get(same_name(label), label)
        if label not in self.ranked:
            raise UserError(f"{self.path}: no wrong names for {label!r} of level {self.level}. {HOW_TO}")
        same = {same_name(label), *map(same_name, other_names.get(label, ()))}
        return [
            other
            for other in self.ranked[label]
            if same.isdisjoint((same_name(other), *map(same_name, other_names.get(other, ()))))
        ]

    def hardest(
        self, label: str, labels: set[str], other_names: dict[str, tuple[str, ...]], needed: int, draws: Draws
    ) -> Iterator[str]:
        """The `needed` hardest of `labels` in a drawn order, as their rank tells who is right, then the rest by rank.
        What is no label here, as it is held out, is left out. UserError: there are fewer."""
        others = [one for one in self.of(label, other_names) if one in labels]
        if len(others) < needed:
            raise UserError(
                f"{self.path}: of the wrong names for {label!r} {len(others)} are labels here, and a choice needs "
                f"{needed}. Mine more of them (--top), or write fewer options"
            )
        yield from (others[number] for number in draws.order(needed))
        yield from others[needed:]

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        return {same_name(label): label for label in self.ranked}


def read_mined(path: Path) -> MinedNegatives:
    """UserError for what is not such a file."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file {path} of wrong names. {HOW_TO}")
    found = read_json(path)
    try:
        mined = MinedNegatives(
            path, found["level"], found["pictures"], dict(found["made_by"]), dict(found["confusions"])
        )
        texts = [mined.level, mined.pictures, *(name for names in mined.ranked.values() for name in names)]
        if not mined.ranked or not all(isinstance(one, str) for one in texts):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        shown = json.dumps(found)[:60]
        raise UserError(
            f"{path} is no file of wrong names ({shown}...): it lacks level, pictures, made_by or confusions. {HOW_TO}"
        ) from None
    return mined


def identity_of(negatives: str) -> object:
    """What a manifest holds of the option: its word, or what the file is and who has made it."""
    if not is_file(negatives) or not Path(negatives).is_file():
        return negatives
    mined = read_mined(Path(negatives))
    return {"sha256": sha256_file(mined.path)[:16], "pictures": mined.pictures, "made_by": mined.made_by}


def is_file(negatives: str) -> bool:
    return negatives.endswith(".json")


def mined_of(negatives: str) -> MinedNegatives | None:
    return read_mined(Path(negatives)) if is_file(negatives) else None


def words_or_file(*words: str) -> AfterValidator:
    """Of an option that says how wrong labels are drawn."""

    def checked(value: str) -> str:
        if value not in words and not is_file(value):
            raise ValueError(f"write {', '.join(words)}, or a file of mined names (FILE.json)")
        return value

    return AfterValidator(checked)
