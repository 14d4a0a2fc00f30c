"""Which wrong names a model takes for which right one, as builders of questions read them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json
from data_builders.sources.base import same_name

TOP = 20  # wrong names a category


def write_confusions(
    path: Path,
    names: Sequence[str],
    likeness_KN: np.ndarray,
    *,
    level: str,
    pictures: str,
    made_by: dict,
    top: int = TOP,
) -> None:
    """`likeness_KN[k]`: how likely each name is taken for name k; -inf for never, a row of -inf for a name of which
    nothing is known. The name itself, in whatever spelling, is not wrong. `pictures`: of which split they tell."""
    spelling = [same_name(name) for name in names]
    ranked = {}
    for name, own, likeness in zip(names, spelling, likeness_KN, strict=True):
        order = sorted(np.flatnonzero(np.isfinite(likeness)), key=lambda n: (-likeness[n], names[n]))
        others = [names[n] for n in order if spelling[n] != own]
        if others:
            ranked[name] = others[:top]
    if not ranked:
        raise UserError(f"{path}: there are no two names to take for one another")
    write_json(path, {"level": level, "pictures": pictures, "made_by": made_by, "confusions": ranked})
