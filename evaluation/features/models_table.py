"""Many models' scores as tables, models x data sets, one a measure; which of them a test over data sets can take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json

from ..compare.tables import wide_console
from ..ledger import known, primary
from .friedman import Comparison, compare_models

TITLES = {
    "probe": "Linear probe, top-1",
    "knn": "Nearest neighbours, top-1",
    "retrieval": "Image retrieval, mAP",
    "robustness": "After a PGD attack, top-1",
}
MODELS = "models.json"
FEWEST = (3, 2)  # models and data sets: Friedman's test needs three of the one, ranks to average two of the other


@dataclass(frozen=True)
class ModelScores:
    """What a features.json holds. `parameters`: of the part that was measured; None: not counted."""

    name: str
    parameters: int | None
    tasks: dict[str, dict]


@dataclass(frozen=True)
class Matrix:
    """`cells[model][data set]`: the measure's main score, as features.json has it; None: not measured."""

    measure: str
    models: tuple[ModelScores, ...]
    data_sets: tuple[str, ...]
    cells: tuple[tuple[dict | None, ...], ...]

    @property
    def title(self) -> str:
        return TITLES[self.measure]

    def means(self) -> list[float | None]:
        """Each model's mean over the data sets; None where one of them is missing."""
        values = [[cell and cell["value"] for cell in row] for row in self.cells]
        return [None if None in row else sum(row) / len(row) for row in values]

    def missing(self) -> list[str]:
        """Models without a number on every data set."""
        return [one.name for one, mean in zip(self.models, self.means(), strict=True) if mean is None]

    def ranked(self) -> Comparison | None:
        """Friedman's and Nemenyi's test over the models that have every number; None where there are too few."""
        whole = [place for place, mean in enumerate(self.means()) if mean is not None]
        if len(whole) < FEWEST[0] or len(self.data_sets) < FEWEST[1]:
            return None
        values = [[self.cells[place][column]["value"] for place in whole] for column in range(len(self.data_sets))]
        return compare_models(values, [self.models[place].name for place in whole], self.data_sets)


@dataclass(frozen=True)
class ManyModels:
    """What one call measured: the models' folders, the data sets, and why models are missing (name -> why)."""

    folders: tuple[Path, ...]
    data_sets: tuple[str, ...]
    failed: dict[str, str]


def write_many(out: Path, known: ManyModels) -> None:
    """OUT/models.json: which models the page is of, so that it can be written (and exported) again."""
    names = [one.name for one in known.folders]
    write_json(out / MODELS, {"models": names, "data_sets": list(known.data_sets), "failed": known.failed})


def read_many(out: Path) -> ManyModels:
    """The inverse of `write_many`. UserError: it is not there, or of another program."""
    found = read_json(out / MODELS)
    try:
        folders = tuple(out / Path(name).name for name in found["models"])
        return ManyModels(folders, tuple(map(str, found["data_sets"])), dict(found["failed"]))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{out / MODELS} is no list of measured models; run features --models again") from None


def read_models(folders: Sequence[Path]) -> list[ModelScores]:
    """Of the folders that hold a features.json, in their order."""
    entries = [read_json(folder / "features.json") for folder in folders if (folder / "features.json").is_file()]
    return [ModelScores(one["model"], one.get("parameters"), one["tasks"]) for one in entries]


def matrices(models: Sequence[ModelScores], data_sets: Sequence[str]) -> list[Matrix]:
    """A table for each measure that any of the models has on any of the data sets."""
    found = []
    for measure in TITLES:
        tasks = [f"features/{name}/{measure}" for name in data_sets]
        cells = tuple(tuple(_main(model.tasks.get(task)) for task in tasks) for model in models)
        if any(cell for row in cells for cell in row):
            found.append(Matrix(measure, tuple(models), tuple(data_sets), cells))
    return found


def _main(task: dict | None) -> dict | None:
    score = task and primary(task)
    return score if score and known(score["value"]) else None


def print_matrices(found: Sequence[Matrix]) -> None:
    """Values with their 95 % intervals, the mean over data sets, and what Friedman's test says of the models."""
    console = wide_console()
    for one in found:
        table = Table(title=one.title)
        table.add_column("model", overflow="fold")
        for name in one.data_sets:
            table.add_column(escape(name), justify="right", overflow="fold")
        table.add_column("mean", justify="right")
        for model, row, mean in zip(one.models, one.cells, one.means(), strict=True):
            shown = "-" if mean is None else f"{mean:.1f}"
            table.add_row(escape(model.name), *map(cell_text, row), shown)
        console.print(table)
        if ranks := one.ranked():
            p = "not defined" if ranks.p_value is None or ranks.p_value != ranks.p_value else f"{ranks.p_value:.3g}"
            text = f"{len(ranks.models)} models on {len(ranks.data_sets)} data sets: Friedman p {p}, "
            console.print(text + f"Nemenyi critical distance {ranks.critical_distance:.3f} ranks", markup=False)


def cell_text(score: dict | None) -> str:
    if score is None:
        return "-"
    ends = f" [{score['low']:.1f}, {score['high']:.1f}]" if known(score.get("low")) and known(score.get("high")) else ""
    return f"{score['value']:.1f}{ends}"
