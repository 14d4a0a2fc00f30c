"""The papers' numbers beside a study's arms, wherever the same measure stands: shown, and in no mean or rank."""

from collections.abc import Mapping, Sequence

from ..ledger import Run
from ..published.beside import Beside, Measured, beside
from ..published.of_study import mean_tasks
from .machine import feature_scores


def study_published(arms: Mapping[str, Sequence[Run]]) -> list[Beside]:
    """Every published table of what the arms were measured in at the end of their runs, features among it."""
    measured = []
    for number, (arm, runs) in enumerate(arms.items()):
        said = f"{arm}, {len(runs)} seed{'s' if len(runs) != 1 else ''}"
        measured.append(Measured(number, said, mean_tasks([run.last.tasks for run in runs]) if runs else {}))
        for behind in ("", " after its projector"):
            found = [_features(run, behind) for run in runs]
            if found and all(found):
                measured.append(Measured(number, f"{said}: features{behind}", mean_tasks(found)))
    return beside(measured)


def _features(run: Run, behind: str) -> dict[str, dict]:
    """What was measured of the last checkpoint's features."""
    entries = [one for one in feature_scores(run) if run.last.name in one["at"] and one["behind"] == behind]
    return {task: score for one in entries for task, score in one["tasks"].items()}
