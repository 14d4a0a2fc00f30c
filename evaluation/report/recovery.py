"""What came back after a few steps on old rows, as the report shows it."""

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..compare import Comparison

FILE = "recovery.json"


def recovery_tables(found: Comparison) -> list[dict]:
    """For each stage that was tried: {"index", "run", "stage", "before", "on", "steps", "tasks", "mean", "share"}.

    `tasks`: a row each; `share`: how much of what was lost came back, in percent, None where nothing was lost clearly.
    UserError where the run's file is not what was written."""
    made = []
    for index, result in enumerate(found.runs):
        path = result.run.folder / FILE
        for stage, one in (read_json(path) if path.is_file() else {}).items():
            try:
                mean = one["mean"]
                tasks = [{"title": one["titles"][name], **values} for name, values in one["tasks"].items()]
                lost, back = mean["lost"], mean["back"]
                share = 100 * back["value"] / lost["value"] if lost["low"] > 0 else None
                about = {key: one[key] for key in ("before", "on", "steps")}
            except (KeyError, TypeError) as error:
                raise UserError(
                    f"{path} is not what a recovery leaves ({error}); the run's own command mends it"
                ) from None
            made.append(
                {
                    "index": index,
                    "run": result.run,
                    "stage": stage,
                    "tasks": tasks,
                    "mean": mean,
                    "share": share,
                    **about,
                }
            )
    return made
