"""What became of W&B in the reports of runs, and the line that sends what is kept offline."""

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json
from fgtrain.recipe import Recipe
from fgtrain.recipe.load import shown

from .wandb_run import FOLDER, OFFLINE, ONLINE

FILE = "outcome.json"
SYNCED = ".synced"  # beside a .wandb file: `wandb sync` passes over it, `wandb clean` removes it


@dataclass(frozen=True)
class Outcome:
    """Of the latest report. `mode`: online, offline, disabled or failed; `folder`: the offline run that holds all."""

    mode: str
    why: str | None = None  # it is offline, or failed
    url: str | None = None
    folder: str | None = None

    def leave(self, place: Path) -> None:
        """Write it into a run's folder of W&B files. Offline runs that this one holds, too, count as synced."""
        if self.mode in (ONLINE, OFFLINE):
            for file in place.glob("offline-run-*/*.wandb"):
                if file.parent.name != self.folder:
                    file.with_name(file.name + SYNCED).touch()
        if self.mode != "disabled" or (place / FILE).is_file():
            write_json(place / FILE, asdict(self))

    def to_sync(self, place: Path) -> bool:
        """Does it wait for `wandb sync`?"""
        return self.mode == OFFLINE and any(
            not file.with_name(file.name + SYNCED).exists() for file in place.glob(f"{self.folder}/*.wandb")
        )


def outcome_lines(recipes: Iterable[Recipe]) -> list[str]:
    """What to tell in the end: where runs can be seen, the one `wandb sync` for all that are offline, what failed."""
    found = {recipe.run_folder: _read(recipe.run_folder / FOLDER) for recipe in recipes}
    lines = [f"W&B: {one.url}" for one in found.values() if one.url is not None]
    lines = lines if len(lines) <= 4 else []
    offline = {folder: one for folder, one in found.items() if one.to_sync(folder / FOLDER)}
    if offline:
        whys = "; ".join(dict.fromkeys(one.why for one in offline.values() if one.why is not None))
        lines.append(f"W&B is offline{f' ({whys})' if whys else ''}; to send it: wandb sync {_folders(list(offline))}")
    for why in dict.fromkeys(one.why for one in found.values() if one.mode == "failed"):
        names = ", ".join(folder.name for folder, one in found.items() if (one.mode, one.why) == ("failed", why))
        lines.append(f"W&B: {why}; the figures of {names} are in metrics.jsonl alone")
    return lines


def online(recipes: Iterable[Recipe]) -> bool:
    """Can any of the runs be seen with W&B?"""
    return any(_read(recipe.run_folder / FOLDER).url is not None for recipe in recipes)


def _read(place: Path) -> Outcome:
    try:
        return Outcome(**read_json(place / FILE))
    except (UserError, TypeError, OSError):
        return Outcome("disabled")


def _folders(runs: list[Path]) -> str:
    """Their W&B folders as words of a shell."""
    roots = {run.parent for run in runs}
    if len(runs) == 1 or len(roots) > 1:
        return " ".join(shlex.quote(shown(run / FOLDER)) for run in runs)
    return f"{shlex.quote(shown(roots.pop()))}/{{{','.join(run.name for run in runs)}}}/{FOLDER}"
