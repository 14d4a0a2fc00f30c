"""Runs one stage with Lightning: from a model and a data module to a model that has learnt."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from fgtrain.errors import UserError

from .metrics_log import MetricsLog
from .module import StageModule
from .ranks import cluster_environments
from .resume import ResumePoint
from .stage_progress import StageProgress
from .subset import SubsetEvaluation

STRATEGIES = ("auto", "single", "ddp")
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}

# What Lightning advises that is meant here: frozen parts are in eval mode, micro-batches are made in this process.
QUIET = (
    ".*does not have many workers.*",
    ".*Checkpoint directory.*",
    ".*`isinstance.treespec.*",
    ".*module.s. in eval mode.*",
    ".*`srun` command is available.*",
)


class StageInterruptedError(Exception):
    """The stage was asked to stop; its state is saved and the next start goes on from there."""


@dataclass
class StageJob:
    """All that running one stage needs. `folder` is the stage's own: metrics.jsonl and resume/ lie in it."""

    name: str
    stage: Any  # the recipe's stage section
    devices: Any  # the recipe's devices section
    steps: int
    samples: int
    folder: Path
    wandb_run: Any | None = None
    subset_every_steps: int | None = None
    ask_subset: Callable[[int], list[dict]] | None = None  # rank 0 only


def build_strategy(name: str, devices: int) -> Any:
    if name == "auto":
        name = "ddp" if devices > 1 else "single"
    if name == "single":
        return "auto"
    if name == "ddp":
        # Rank 0 evaluates while the others wait, so the wait may be long.
        return DDPStrategy(find_unused_parameters=False, timeout=timedelta(hours=12))
    raise UserError(f"devices.strategy is {name!r}, which cannot be run yet. Write one of: {', '.join(STRATEGIES)}")


def build_trainer(job: StageJob, callbacks: list) -> Trainer:
    devices, stage = job.devices, job.stage
    world = devices.world_size
    accumulate = stage.global_batch_size // (devices.per_device_batch_size * world)
    return Trainer(
        accelerator=devices.accelerator,
        devices=devices.count,
        num_nodes=devices.nodes,
        strategy=build_strategy(devices.strategy, world),
        precision=PRECISIONS[devices.precision],
        max_steps=job.steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=stage.clip_norm,
        gradient_clip_algorithm="norm",
        callbacks=callbacks,
        plugins=cluster_environments(),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        default_root_dir=job.folder,
    )


def run_stage(job: StageJob, lvlm: Any, parameter_groups: list[dict], datamodule: LightningDataModule) -> None:
    """Train `lvlm` in place to the end of the stage, going on from a resume point if there is one.

    Raises StageInterruptedError when a signal stopped it (state saved).
    """
    module = StageModule(lvlm, parameter_groups, job.steps, job.stage)
    log = MetricsLog(job.folder / "metrics.jsonl", job.name, job.stage.global_batch_size, job.samples, job.wandb_run)
    resume = ResumePoint(job.folder / "resume", job.stage.checkpoint_every_steps, job.steps)
    progress = StageProgress(job.name, job.steps, job.stage.global_batch_size)
    callbacks = [log, progress]
    if job.subset_every_steps:  # on every rank: those that do not ask wait
        callbacks.append(SubsetEvaluation(job.subset_every_steps, job.steps, job.ask_subset, log, progress))
    callbacks.append(resume)
    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message=message)
        for library in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(library).setLevel(logging.WARNING)
        trainer = build_trainer(job, callbacks)
        trainer.fit(module, datamodule=datamodule, ckpt_path=ResumePoint.latest(resume.folder), weights_only=True)
    if resume.stopped:
        where = f"step {trainer.global_step} of {job.steps}"
        raise StageInterruptedError(
            f"stage {job.name} stopped by {resume.asked_by} at {where}, saved in {resume.folder}"
        )
    if trainer.global_step != job.steps:
        raise RuntimeError(f"stage {job.name} ended at step {trainer.global_step}, planned were {job.steps}")
    if trainer.world_size > 1:
        torch.distributed.barrier()
