"""Weights & Biases: curves beside metrics.jsonl. Offline unless the recipe allows the network and a key is there.

A run that is started again goes on as the same W&B run: its id lies in <run>/wandb/run_id. Online it is resumed there.
Offline every start leaves a folder <run>/wandb/offline-run-* that bears this id. The newest one is whole: a start sends
what earlier ones have done too, so `wandb sync` of it alone shows the run.
"""

import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from data_builders.shared.files import atomic_write
from fgtrain.plan import Plan
from fgtrain.recipe import Recipe, as_values

from .curves import axes, curves
from .forgetting import forgetting
from .metrics import offsets

RUN_ID, SENT = "wandb/run_id", "wandb/sent"
INIT_SECONDS = 60  # that a server may take to answer; then figures are kept offline
STRIDE = 10  # W&B steps to an optimizer step: between two there is room for evaluations, which come when they come


class Tracker:
    """Sends rows of metrics.jsonl to a W&B run. Whatever fails there is told once and never stops the run."""

    def __init__(self, run: Any | None, plan: Plan, memory: Path | None = None) -> None:
        """`run`: None sends nothing. `memory`: a file of the evaluations that the W&B run has from earlier starts."""
        self.run, self.memory = run, memory
        self.evals: list[dict] = []  # of this run so far, for what is forgotten
        self.sent = set(memory.read_text(encoding="utf-8").split("\n")) if memory and memory.is_file() else set()
        self.samples, self.steps = offsets(plan), {}
        steps = 0
        for stage in plan.stages:
            self.steps[stage.name] = steps
            steps += stage.steps or 0

    def stage(self, rows: list[dict]) -> None:
        """Rows of a stage, in order, samples counted from its beginning. What W&B has of them it leaves out."""
        evals: list[dict] = []
        for row in rows:
            row = row | {"samples_seen": row["samples_seen"] + self.samples[row["stage"]]}
            if row["kind"] == "eval":
                evals.append(row)
                continue
            step = (self.steps[row["stage"]] + row["step"]) * STRIDE
            self._send(lambda row=row, step=step: self.run.log(curves([row]), step=step))
        self.evaluations(evals)

    def evaluations(self, rows: list[dict]) -> None:
        """Evaluation rows of one moment or several, in order; samples are counted over the whole run."""
        for _, group in groupby(rows, key=lambda row: (row["samples_seen"], row["subset"])):
            now = list(group)
            self.evals += now
            moment = f"{now[0]['stage']} {now[0]['step']} {'subset' if now[0]['subset'] else 'full'}"
            if moment not in self.sent:
                found = curves([*now, *forgetting(self.evals, now)])
                # Without a step: it comes behind what is there, however late it is.
                self._send(lambda found=found: self.run.log(found))
                self._remember(moment)

    def _remember(self, moment: str) -> None:
        self.sent.add(moment)
        if self.memory is not None and self.run is not None:
            with open(self.memory, "a", encoding="utf-8") as file:
                file.write(moment + "\n")

    def finish(self) -> None:
        """Close the run; everything is on disk or sent."""
        self._send(lambda: self.run.finish())
        self.run = None

    def _send(self, do: Callable[[], Any]) -> None:
        if self.run is None:
            return
        try:
            do()
        except Exception as error:
            _tell(f"{_first_line(error)}; figures go on in metrics.jsonl alone")
            failed, self.run = self.run, None
            with suppress(Exception):
                failed.finish()  # what has come so far


def start(recipe: Recipe, plan: Plan, folder: Path) -> Tracker:
    """A tracker whose run holds recipe, plan and hashes of the data, or that sends nothing where there can be none.

    The key comes from the environment (WANDB_API_KEY) alone and is never written.
    """
    if not recipe.wandb.enabled:
        return Tracker(None, plan)
    online = recipe.network and bool(os.environ.get("WANDB_API_KEY")) and os.environ.get("WANDB_MODE") != "offline"
    if recipe.network and not online:
        _tell("no WANDB_API_KEY in the environment; figures are kept offline")
    for mode in ("online", "offline") if online else ("offline",):
        try:
            return Tracker(_run(recipe, plan, folder, mode), plan, folder / SENT if mode == "online" else None)
        except Exception as error:  # no network, a full disk, a broken installation: the run is worth more
            follows = "figures are kept offline" if mode == "online" else "figures are in metrics.jsonl alone"
            _tell(f"{_first_line(error)}; {follows}")
            _forget_runs()
    return Tracker(None, plan)


def _run(recipe: Recipe, plan: Plan, folder: Path, mode: str) -> Any:
    import wandb

    settings = {"silent": True, "console": "off", "disable_git": True, "save_code": False, "init_timeout": INIT_SECONDS}
    run = wandb.init(
        project=recipe.wandb.project,
        name=recipe.name,
        id=_run_id(folder),
        resume="allow" if mode == "online" else None,  # offline it is the id alone that joins them
        reinit="finish_previous",
        dir=str(folder),
        mode=mode,
        config={
            "recipe": as_values(recipe),
            "plan": plan.model_dump(mode="json"),
            "data_sha256": {data.name: data.sha256 for stage in plan.stages for data in stage.data},
            "fingerprints": {stage.name: stage.fingerprint for stage in plan.stages},
        },
        allow_val_change=True,
        settings=wandb.Settings(**settings),
    )
    for axis, names in axes(plan).items():
        run.define_metric(axis, hidden=True)
        run.define_metric(names, step_metric=axis)
    return run


def _forget_runs() -> None:
    """End W&B's own process: it holds the id of the run that could not be started, and would refuse it to another."""
    with suppress(Exception):
        import wandb

        if wandb.run is not None:  # of a recipe before this one: without its process it could not be finished
            wandb.run.finish()
        wandb.teardown()


def _run_id(folder: Path) -> str:
    """The run's own, drawn at its first start."""
    path = folder / RUN_ID
    if not path.is_file():
        with atomic_write(path) as file:
            file.write(secrets.token_hex(8))
    return path.read_text(encoding="utf-8").strip()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _tell(what: str) -> None:
    print(f"W&B: {what}", file=sys.stderr, flush=True)
