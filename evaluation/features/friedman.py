"""Do models differ over data sets? Friedman's test, Nemenyi's critical distance and p values (Demšar 2006)."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from data_builders.shared.errors import UserError


@dataclass(frozen=True)
class Comparison:
    """Ranks run from 1 (best). `p_values` is None where scipy has no test (two models) and NaN where all are equal."""

    models: tuple[str, ...]
    data_sets: tuple[str, ...]
    average_ranks: tuple[float, ...]
    chi_square: float | None  # Friedman, corrected for ties
    p_value: float | None
    nemenyi_p: tuple[tuple[float, ...], ...]  # model x model
    critical_distance: float
    alpha: float

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """The largest sets of models (places in `models`) whose average ranks lie within the critical distance."""
        order = sorted(range(len(self.models)), key=lambda place: self.average_ranks[place])
        found: list[tuple[int, ...]] = []
        for first in range(len(order)):
            reach = self.average_ranks[order[first]] + self.critical_distance
            group = tuple(place for place in order[first:] if self.average_ranks[place] <= reach)
            if len(group) > 1 and not any(set(group) <= set(larger) for larger in found):
                found.append(group)
        return found

    def to_json(self) -> dict:
        return {
            "models": list(self.models),
            "data_sets": list(self.data_sets),
            "n": len(self.data_sets),
            "average_ranks": list(self.average_ranks),
            "friedman": {"chi_square": _number(self.chi_square), "p_value": _number(self.p_value)},
            "nemenyi_p": [list(row) for row in self.nemenyi_p],
            "critical_distance": self.critical_distance,
            "alpha": self.alpha,
            "not_told_apart": [[self.models[place] for place in group] for group in self.groups],
        }


def critical_distance(models: int, data_sets: int, alpha: float = 0.05) -> float:
    """How far two average ranks must lie apart to differ at `alpha`, in ranks."""
    q = stats.studentized_range.ppf(1 - alpha, models, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(models * (models + 1) / (6 * data_sets)))


def compare_models(
    values_DM: np.ndarray, models: Sequence[str] = (), data_sets: Sequence[str] = (), alpha: float = 0.05
) -> Comparison:
    """Compare models (columns) over data sets (rows), larger is better. UserError when there is too little or a gap."""
    try:
        values = np.asarray(values_DM, float)
    except ValueError:  # rows of different lengths
        raise UserError("a row of the table is shorter than another; every model needs every data set") from None
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 2:
        raise UserError(f"a comparison needs 2 or more data sets and models, not a table of {values.shape}")
    names = tuple(models) or tuple(f"model {place + 1}" for place in range(values.shape[1]))
    sets = tuple(data_sets) or tuple(f"data set {place + 1}" for place in range(values.shape[0]))
    for what, given in (("model", names), ("data set", sets)):
        if doubled := [name for name, count in Counter(given).items() if count > 1]:
            raise UserError(f"{what} {doubled[0]!r} stands in the table twice; a copy would count as another {what}")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise UserError(f"no number for {names[column]} on {sets[row]}; every model needs every data set")
    import scikit_posthocs  # brings pandas and statsmodels along

    ranks = stats.rankdata(-values, axis=1)
    chi_square = p_value = None
    if values.shape[1] > 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            test = stats.friedmanchisquare(*values.T)
        chi_square, p_value = float(test.statistic), float(test.pvalue)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    return Comparison(
        models=names,
        data_sets=sets,
        average_ranks=tuple(float(rank) for rank in ranks.mean(0)),
        chi_square=chi_square,
        p_value=p_value,
        nemenyi_p=tuple(tuple(float(p) for p in row) for row in nemenyi),
        critical_distance=critical_distance(values.shape[1], values.shape[0], alpha),
        alpha=alpha,
    )


def _number(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or math.isnan(value) else value
