"""Weights & Biases: curves beside metrics.jsonl. Offline unless the recipe allows the network and a key is there.

Every job of a run that has figures sends them to the one W&B run of that run, with all that was there before and is
not sent yet: stages and evaluations that another run has made come that way. Offline nothing is sent before the
report: its folder is whole, and `wandb sync` takes that one alone. Nothing that fails here stops a run.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.shared.terminal import say
from evaluation.links import read_links
from fgtrain.errors import UserError
from fgtrain.plan import Plan, read_plan
from fgtrain.recipe import START, Recipe, load_recipe

from .curves import PICTURES, curves, unmeasured
from .evaluations import asked, found_evaluations
from .features import feature_rows
from .folder import RESOLVED
from .forgetting import with_forgetting
from .links import link_rows
from .metrics import offsets, run_rows, stage_rows
from .task_summary import task_summary
from .wandb_outcome import Outcome
from .wandb_run import DISABLED, FOLDER, OFFLINE, ONLINE, Sent, chosen_mode, first_line, forget_runs, open_run, run_id
from .wandb_table import contents, pictures_table, staged_beside

if TYPE_CHECKING:
    from evaluation.compare import RunResult

TITLE = 63  # characters that W&B allows an alert's


def _moment(row: dict) -> tuple:
    """A checkpoint, or a step at which a subset was asked; a stage that merges adds no samples."""
    return row["kind"], row["samples_seen"], row["stage"], row.get("subset")


class Tracker:
    """Sends the figures of one run to W&B. What fails is told once; then it sends nothing."""

    def __init__(self, run: Any | None, recipe: Recipe, plan: Plan, start: str, sent: Sent) -> None:
        """`run`: None sends nothing. `start`: the untrained model's fingerprint."""
        self.run, self.recipe, self.plan, self.start, self.sent = run, recipe, plan, start, sent
        self.failed: str | None = None  # why
        self.samples = offsets(plan)

    def trained(self, rows: list[dict]) -> None:
        """Rows of a stage as they are made, samples counted from its beginning."""
        self._do(lambda: self._steps(rows))
        if any(row["kind"] == "eval" for row in rows):
            self.evaluations()

    def everything(self, but: str | None = None) -> None:
        """All that is there by now; of stage `but`, whose steps are being done again, the evaluations alone."""
        for stage in self.plan.stages:
            if stage.name != but:
                self._do(lambda stage=stage: self._steps(stage_rows(self.recipe, stage.fingerprint)))
        self.evaluations()
        self._do(self._features)
        self._do(self._links)

    def evaluations(self) -> None:
        """All evaluations that are there by now, and what was forgotten where all that came before is there, too."""
        self._do(self._evaluations)

    def pictures(self, found: "RunResult") -> None:
        """Of each checkpoint, a table of twelve questions that it no longer answers, with their pictures.

        A server may refuse artifacts, which tables are, and take all else: that is told, and the run goes on.
        """
        if self.run is None:
            return
        from evaluation.report.forgotten_pictures import forgotten_pictures  # brings all reports

        try:
            for checkpoint, items in forgotten_pictures(found):
                if items and self.sent.first_time({"pictures": checkpoint.name, "rows": contents(items)}):
                    shown = {f"{PICTURES}/{checkpoint.name}": pictures_table(items)}
                    with staged_beside(self.run):
                        self.run.log({f"{PICTURES}/samples_seen": checkpoint.samples_seen, **shown})
        except Exception as error:
            tell(f"{first_line(error)}; the forgotten pictures are in the report alone")

    def summary(self, found: "RunResult | None" = None) -> None:
        """The scores of the last checkpoint, and what each task gained or lost, for W&B's table of runs."""

        def update() -> None:
            full = [row for row in self._known() if not row["subset"]]
            if full:
                said = unmeasured(full)
                figures = curves(row for row in full if row["stage"] == full[-1]["stage"])
                numbers = {k: v for k, v in figures.items() if k.removeprefix("forgetting_full/") not in said}
                self.run.summary.update(numbers | said | (task_summary(found) if found is not None else {}))
            elif not asked(self.recipe):
                self.run.summary.update({"scores": "not measured: nothing is scored"})

        self._do(update)

    def finish(self) -> bool:
        """Close the run; returns whether everything is on disk or delivered."""
        if self.run is None:
            return False
        self._do(lambda: self.run.finish())
        if self.run is not None:
            self._do(self.sent.delivered)
        done, self.run = self.run is not None, None
        return done

    def _steps(self, rows: Iterable[dict]) -> None:
        for row in rows:
            if row["kind"] in ("train", "watch", "drift"):
                self._log(curves([row | {"samples_seen": row["samples_seen"] + self.samples[row["stage"]]}]))
            if row.get("stopped") and self.sent.first_time({"alert": row["stage"], "text": row["stopped"]}):
                self.run.alert(f"{row['stage']} stopped early"[:TITLE], f"{self.recipe.name}: {row['stopped']}", "WARN")

    def _evaluations(self) -> None:
        for _, rows in groupby(self._known(), key=_moment):
            self._log(curves(rows))

    def _features(self) -> None:
        for _, rows in groupby(feature_rows(self.recipe, self.plan, self.start), key=_moment):
            self._log(curves(rows))

    def _links(self) -> None:
        rows = link_rows(read_links(self.recipe.run_folder))
        for _, some in groupby(rows, key=lambda row: row["samples_seen"]):
            self._log(curves(some))

    def _known(self) -> list[dict]:
        """Evaluation rows, and rows of what was forgotten that nothing can change any more."""
        found = found_evaluations(self.recipe, self.plan, self.start)
        names = [START, *(stage.name for stage in self.plan.stages)]
        missing = [names.index(name) for name in asked(self.recipe) if name not in found]
        rows = with_forgetting(row for row in run_rows(self.recipe, self.plan, found) if row["kind"] == "eval")
        known = min(missing, default=len(names))
        return [row for row in rows if row["kind"] == "eval" or names.index(row["stage"] or START) <= known]

    def _log(self, figures: dict[str, Any]) -> None:
        if self.sent.first_time(figures):
            self.run.log(figures)

    def _do(self, do: Callable[[], Any]) -> None:
        if self.run is None:
            return
        try:
            do()
        except Exception as error:
            self.failed = first_line(error)
            tell(f"{self.failed}; figures go on in metrics.jsonl alone")
            failed, self.run = self.run, None
            with suppress(Exception):
                failed.finish()  # what has come so far


def track(recipe: Recipe, plan: Plan, start: str, kind: str, of: str = "", mode: str | None = None) -> Tracker:
    """A tracker whose W&B run is open, or that sends nothing where there can be none.

    `kind`, `of`: the job's, and its stage or checkpoint; `mode`: ONLINE or OFFLINE, where it is not to be chosen here.
    """
    why = None
    if mode is None:
        mode, why = chosen_mode(recipe)
    if why is not None:
        tell(f"{why}; figures are kept offline")
    nothing = Tracker(None, recipe, plan, start, Sent(None))
    if mode == DISABLED:
        return nothing
    try:
        run = open_run(recipe, plan, kind, of, mode == ONLINE)
        path = recipe.run_folder / FOLDER / f"sent-{run_id(recipe.run_folder, plan)}" if mode == ONLINE else None
        return Tracker(run, recipe, plan, start, Sent(path, certain=kind == "report"))
    except Exception as error:  # no network, a full disk, a broken installation: the run is worth more
        forget_runs()
        nothing.failed = first_line(error)
        tell(f"{nothing.failed}; {'figures are in metrics.jsonl alone' if mode == OFFLINE else 'it is not online'}")
        return nothing


def track_stage(recipe: Recipe, plan: Plan, start: str, stage: str) -> Tracker:
    """For the steps of a stage as they are done, with all that was there before; offline where it cannot be online."""
    tracker = track(recipe, plan, start, "train", stage)
    if tracker.failed is not None and chosen_mode(recipe)[0] == ONLINE:
        tracker = track(recipe, plan, start, "train", stage, OFFLINE)
    tracker.everything(but=stage)
    return tracker


def send_evaluations(
    recipe: Recipe, plan: Plan, start: str, checkpoint: str, runs: list[str], kind: str = "evaluate"
) -> None:
    """Online, to the W&B runs of all `runs` (names), which share the result; offline their reports hold it.

    `kind`, `checkpoint`: of the job that has just made it.
    """
    for name in runs:
        try:
            own = name == recipe.name
            one, its = (recipe, plan) if own else _other_run(recipe.run_folder.parent / name)
        except (OSError, UserError):
            continue  # it is not prepared yet: its own jobs send what is there by then
        if chosen_mode(one)[0] != ONLINE:
            continue
        tracker = track(one, its, start, kind, checkpoint, ONLINE)
        tracker.everything()
        tracker.finish()
        if tracker.failed is not None:
            return  # nor would the others go through, and each would be waited for


def _other_run(folder: Path) -> tuple[Recipe, Plan]:
    return load_recipe(folder / RESOLVED), read_plan(folder / "plan.json")


def send_all(recipe: Recipe, plan: Plan, start: str, found: "RunResult | None" = None) -> None:
    """All figures of a run that is done, online or into one offline folder; leaves word of what became of it.

    `found`: what its scores come to, where it has some.
    """
    mode, why = chosen_mode(recipe)
    outcome = Outcome(DISABLED)
    for one in (mode, OFFLINE) if mode == ONLINE else (mode,):
        if one == DISABLED:
            break
        tracker = track(recipe, plan, start, "report", mode=one)
        tracker.everything()
        if found is not None:
            tracker.pictures(found)
        tracker.summary(found)
        url = tracker.run.url if tracker.run is not None and one == ONLINE else None
        folder = Path(tracker.run.dir).parent.name if tracker.run is not None else None
        if tracker.finish():
            outcome = Outcome(one, why=why, url=url, folder=folder)
            break
        why = tracker.failed
        outcome = Outcome("failed", why=why)
    with suppress(OSError):
        outcome.leave(recipe.run_folder / FOLDER)


def tell(what: str) -> None:
    say(f"W&B: {what}", file=sys.stderr)
