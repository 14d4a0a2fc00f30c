"""What a CHECKPOINT means: a run (its last stage), a stage, a checkpoint of either, or a released model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fgtrain.checksums import is_checkpoint
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe
from fgtrain.recipe.load import load_recipe
from fgtrain.runs.folder import RESOLVED
from fgtrain.runs.names import NAMES, RunNames, names_of, read_names

from .names import Names, chosen_names, names_of_file

CHECKPOINT = "checkpoint"  # of a stage, within its folder


@dataclass(frozen=True)
class Place:
    """`model`: a folder or hub id that can be loaded. `run`: the folder of its run, where it is one's. `title`: as it
    was typed."""

    model: str
    run: Path | None
    title: str

    @property
    def names(self) -> RunNames:
        """Of the run's data sets; of a run that has not kept them, what its data sets say now."""
        if self.run is None:
            return RunNames((), {})
        return read_names(self.run) if (self.run / NAMES).is_file() else names_of(_recipe(self.run))


def find_place(given: str) -> Place:
    """UserError when there is no such checkpoint, with those that are near."""
    folder = Path(given).expanduser()
    if not folder.exists():
        if given.count("/") == 1 and not given.startswith((".", "/", "~")) and not folder.parent.exists():
            return Place(given, None, given)
        raise UserError(f"no checkpoint {given}: there is no such folder. Give a run (runs/NAME) or a stage of it")
    if not folder.is_dir():
        raise UserError(f"{given} is a file. Give the checkpoint's folder: {folder.parent}")
    if is_checkpoint(folder):
        return Place(str(folder), _run_of(folder.absolute().parent.parent), given)
    if is_checkpoint(folder / CHECKPOINT):
        return Place(str(folder / CHECKPOINT), _run_of(folder.absolute().parent), given)
    if _run_of(folder) is not None:
        return Place(str(_last(folder)), folder, given)
    if (folder / "config.json").is_file():
        return Place(str(folder), None, given)
    below = sorted(path for path in folder.glob("*") if is_checkpoint(path / CHECKPOINT))
    there = f". It holds some: {', '.join(map(str, below[:4]))}" if below else ""
    raise UserError(f"{given} is no checkpoint: neither fgtrain.json nor config.json lies in it{there}")


def names_for(places: Sequence[Place], wanted: str | None, asked: bool = False) -> Names | None:
    """The names that are weighed by all: those `wanted` (a data set of a run, or a file), else, where no question is
    `asked`, of the first whose run has some; None for none. UserError where it cannot be told which."""
    if wanted is None and asked:
        return None
    if wanted is not None and Path(wanted).is_file():
        return Names(names_of_file(Path(wanted)))
    found = chosen_names(next((lists for place in places if (lists := place.names.lists)), ()), wanted)
    return None if found is None else Names(found)


def refuse_nothing_asked(place: Place, question: str | None, names: Names | None) -> None:
    """UserError where there is neither a question nor a name."""
    if question is None and names is None:
        why = "".join(f" ({source}: {reason.rstrip('.')})" for source, reason in place.names.unread.items())
        raise UserError(
            f"{place.title} has no names of its own{why}. Ask a question, or give names: --names FILE, one a line"
        )


def _run_of(folder: Path) -> Path | None:
    return folder if (folder / RESOLVED).is_file() else None


def _recipe(run: Path) -> Recipe:
    return load_recipe((run / RESOLVED).absolute())


def _last(run: Path) -> Path:
    stages = list(_recipe(run).enabled_stages)
    done = [one for one in stages if is_checkpoint(run / one / CHECKPOINT)]
    if not stages or done[-1:] != stages[-1:]:
        way_on = f"Give one that is done: {', '.join(str(run / one) for one in done)}" if done else "Train it first"
        what = f"stage {stages[-1]} of {run} has no checkpoint" if stages else f"{run} has no stages"
        raise UserError(f"{what}. {way_on}")
    return run / stages[-1] / CHECKPOINT
