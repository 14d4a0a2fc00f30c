"""Weights & Biases: curves beside metrics.jsonl. Offline unless the recipe allows the network and a key is there."""

import os
from pathlib import Path
from typing import Any

from fgtrain.plan import Plan
from fgtrain.recipe import Recipe, as_values
from fgtrain.training.metrics_log import log_to_wandb
from fgtrain.training.stopping import children_undisturbed


def start(recipe: Recipe, plan: Plan, folder: Path) -> Any | None:
    """A W&B run that holds recipe and plan, or None when the recipe switches W&B off.

    The key comes from the environment (WANDB_API_KEY) alone and is never written. Offline runs lie in <run>/wandb;
    `wandb sync` sends them later.
    """
    if not recipe.wandb.enabled:
        return None
    import wandb

    online = recipe.network and bool(os.environ.get("WANDB_API_KEY")) and os.environ.get("WANDB_MODE") != "offline"
    if recipe.network and not online:
        print("W&B: no WANDB_API_KEY in the environment; figures are kept offline")
    with children_undisturbed():
        run = wandb.init(
            project=recipe.wandb.project,
            name=recipe.name,
            dir=str(folder),
            mode="online" if online else "offline",
            config={"recipe": as_values(recipe), "plan": plan.model_dump(mode="json")},
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
    for stage in plan.stages:
        axis = f"train/{stage.name}/step"
        run.define_metric(axis, hidden=True)
        run.define_metric(f"train/{stage.name}/*", step_metric=axis)
    for kind in ("full", "subset"):
        run.define_metric(f"eval_{kind}/samples_seen", hidden=True)
        run.define_metric(f"eval_{kind}/*", step_metric=f"eval_{kind}/samples_seen")
    return run


def replay(run: Any | None, rows: list[dict]) -> None:
    """Log rows that were not logged while they came about: of shared stages and full evaluations."""
    if run is not None:
        for row in rows:
            log_to_wandb(run, row)
