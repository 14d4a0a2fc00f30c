"""Probes' predictions of a run, as evaluation.features.predictions writes them, asked about one question."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..shared.texts import normalise

FOLDER = "probe"


@dataclass(frozen=True)
class Prediction:
    """Of one picture: the number of its class, and those that the probe holds likeliest, best first. `levels`: the
    label of every class, at the level that was probed and at coarser ones."""

    label: int
    ranked: tuple[int, ...]
    levels: tuple[tuple[str, ...], ...]

    def right(self, gold: str, options: Sequence[str] = ()) -> bool | None:
        """Is `gold` likelier than every other option, or category where there are none? None where the picture has no
        such name at any level: the probe was trained to tell something else.

        An option that is not among the kept ones counts as less likely than those that are.
        """
        wanted = normalise(gold)
        names = next((one for one in self.levels if one[self.label] == wanted), None)
        if names is None:
            return None
        allowed = set(map(normalise, options)) or None
        best = next((names[place] for place in self.ranked if allowed is None or names[place] in allowed), None)
        return best == wanted


def predictions_at(run: Path, checkpoint: str) -> dict[str, dict[str, Prediction]]:
    """Part (encoder, projector) -> image hash -> what its probe says; {} where nothing was probed."""
    found: dict[str, dict[str, Prediction]] = {}
    for path in sorted((run / "features" / checkpoint).glob(f"*/{FOLDER}/*.json")):
        found.setdefault(path.parent.parent.name, {}).update(read_predictions(path))
    return found


def read_predictions(path: Path) -> dict[str, Prediction]:
    """UserError for a file that is none."""
    content = read_json(path)
    try:
        levels = tuple(
            tuple(map(normalise, labels)) for labels in (content["classes"], *reversed(content["levels"].values()))
        )
        return {
            one["image_hash"]: Prediction(one["label"], tuple(one["ranked"]), levels) for one in content["pictures"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds no predictions of a probe (at {error}); measure the features again") from None
