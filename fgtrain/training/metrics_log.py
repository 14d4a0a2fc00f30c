"""The figures of a stage, one row an optimizer step: metrics.jsonl, and whoever else wants them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from data_builders.shared.files import atomic_write
from fgtrain.model.flex import graphs
from fgtrain.plan.cost import Work
from fgtrain.recipe.devices_schema import Devices

from .metrics_file import readable_steps
from .module import StageModule, optimizer_step_ended
from .throughput import Throughput

Also = Callable[[list[dict]], None]


class MetricsLog(Callback):
    """Appends one row an optimizer step to the stage's metrics.jsonl, and gives it to `also` (W&B).

    Rank 0 writes. Resuming drops the rows of steps that will be done again, so the file reads as if the run had never
    stopped; those that stay are given to `also` once more.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        global_batch_size: int,
        samples: int,
        also: Also | None = None,
        work: Work | None = None,
        devices: Devices = Devices(),
    ) -> None:
        """`work`: what the stage's model does per token, for the utilisation of one of the devices."""
        self.path, self.stage, self.also = path, stage, also
        self.global_batch_size, self.samples = global_batch_size, samples
        self.work, self.devices = work, devices

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        self.throughput = Throughput(self.work, module.device, self.devices)
        if trainer.is_global_zero and self.path.exists():
            kept = [row for row in readable_steps(self.path) if row["step"] <= trainer.global_step]
            with atomic_write(self.path) as file:
                file.writelines(json.dumps(row) + "\n" for row in kept)
            self.tell(kept)

    def on_train_batch_start(self, trainer: Trainer, module: StageModule, batch: Any, index: int) -> None:
        self.throughput.begins()

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        self.throughput.ends(batch)
        if not optimizer_step_ended(trainer, index):
            return
        step = trainer.global_step
        seen = min(step * self.global_batch_size, self.samples)
        samples = seen - min((step - 1) * self.global_batch_size, self.samples)
        waited = getattr(trainer.datamodule, "waited", 0.0)
        row = {
            "kind": "train",
            "stage": self.stage,
            "step": step,
            "samples_seen": seen,
            **module.last,
            "loss_by_data_set": {k: v[0] / v[1] for k, v in module.data_set_loss.items() if v[1]},
            **self.throughput.figures(samples, trainer.world_size, waited),
        }
        if compiled := graphs():
            row["attention_graphs"] = compiled
        module.data_set_loss.clear()
        if trainer.is_global_zero:
            self.write(row)

    def write(self, row: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.tell([row])

    def tell(self, rows: list[dict]) -> None:
        """Give rows to `also`; on rank 0."""
        if self.also is not None and rows:
            self.also(rows)
