"""Runs one stage with Lightning: from a model and a data module to a model that has learnt."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer

from fgtrain.own_gpu import uses_gpu
from fgtrain.plan.cost import Work

from .group_environment import GroupEnvironment
from .metrics_log import MetricsLog
from .module import StageModule
from .objectives import StageLoss
from .resume import ResumePoint
from .resume_files import PointFiles, newest_whole, refuse_other_shards
from .sharded import Sharded
from .stage_progress import StageProgress
from .stop_signals import StageInterruptedError
from .strategy import OwnGpu, build_strategy, kind
from .subset import SubsetEvaluation, Watch
from .weight_average import WeightAverage
from .working_copy import working_copy

# What Lightning advises that is meant here: frozen parts are in eval mode, micro-batches are made in this process.
QUIET = (
    ".*does not have many workers.*",
    ".*Checkpoint directory.*",
    ".*`isinstance.treespec.*",
    ".*module.s. in eval mode.*",
    ".*`srun` command is available.*",
    ".*DeepSpeed handles gradient clipping internally.*",
    ".*torch.distributed.* is deprecated. Please use .*",  # said to DeepSpeed
)


@dataclass
class StageRun:
    """All that running one stage needs. `folder` is the stage's own: metrics.jsonl and resume/ lie in it."""

    name: str
    stage: Any  # the recipe's stage section
    devices: Any  # the recipe's devices section
    steps: int
    samples: int
    folder: Path
    also_log: Callable[[list[dict]], None] | None = None  # rows of metrics.jsonl; rank 0 only
    seed: int = 0
    loss: StageLoss = field(default_factory=StageLoss)
    work: Work | None = None  # of the stage's model, for the utilisation of the device
    subset_every_steps: int | None = None
    ask_subset: Callable[[int, int, int], list[dict]] | None = None  # (step, rank, ranks) -> rows, on every rank
    watch: Watch | None = None  # decides by what the subset answers
    agree: Callable[[Callable[[], Any]], Any] = field(default=lambda find: find())  # what rank 0 finds, for all


def build_trainer(job: StageRun, strategy: Any, plugins: list, callbacks: list) -> Trainer:
    devices, stage = job.devices, job.stage
    accumulate = stage.global_batch_size // (devices.per_device_batch_size * devices.world_size)
    return Trainer(
        accelerator=OwnGpu() if uses_gpu(devices) else "cpu",
        devices=devices.count,
        num_nodes=devices.nodes,
        strategy=strategy,
        plugins=[*plugins, GroupEnvironment()],
        max_steps=job.steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=stage.clip_norm,
        gradient_clip_algorithm="norm",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        default_root_dir=job.folder,
    )


def resume_from(job: StageRun, folder: Path) -> Path | None:
    """The newest whole resume point, the same on every rank. SharedUserError where this start cannot go on from it."""
    found = job.agree(lambda: point.name if (point := newest_whole(folder)) else "")
    if not found:
        return None
    refuse_other_shards(folder / found, kind(job.devices), job.devices.world_size)
    return folder / found


class HandBack(Callback):
    """What a sharding strategy has learnt goes into the whole model when the stage is done."""

    def __init__(self, resume: ResumePoint) -> None:
        self.resume = resume

    def on_train_end(self, trainer: Trainer, module: StageModule) -> None:
        if isinstance(trainer.strategy, Sharded) and not self.resume.stopped:
            trainer.strategy.hand_back()


def run_stage(job: StageRun, lvlm: Any, parameter_groups: list[dict], datamodule: LightningDataModule) -> int:
    """Train `lvlm` in place to the end of the stage, going on from a resume point if there is one. Returns the steps
    that it was trained: fewer than planned where the job's watch has ended the stage.

    Under a sharding strategy ranks other than the first may bring a model on the meta device (see
    `strategy.weights_device`), whose weights are nowhere afterwards.

    Raises StageInterruptedError when a signal stopped it (state saved).
    """
    files = PointFiles()
    strategy, plugins = build_strategy(job.devices, files, lvlm)
    trained, groups = lvlm, parameter_groups
    if isinstance(strategy, Sharded):
        if lvlm.device.type != "meta":
            lvlm.cpu()  # evaluation may have left it on the GPU, which the working copy needs
        trained, groups = working_copy(lvlm, parameter_groups)
        if strategy.shards_weights:
            cached = getattr(datamodule, "features", None) is not None
            trained.always_run = frozenset({"projector"} if cached else {"vision_encoder", "projector"})
            trained.most_of_ranks = strategy.most_of_ranks
    module = StageModule(trained, groups, job.steps, job.stage, job.name, job.seed, job.loss)
    path, size = job.folder / "metrics.jsonl", job.stage.global_batch_size
    log = MetricsLog(path, job.name, size, job.samples, job.also_log, job.work, job.devices)
    resume = ResumePoint(job.folder / "resume", job.stage.checkpoint_every_steps, job.steps, files, kind(job.devices))
    progress = StageProgress(job.name, job.steps, job.stage.global_batch_size)
    callbacks, asking = [log, progress], None
    if job.stage.ema is not None:  # before all that asks or saves
        module.average = WeightAverage(job.stage.ema)
        callbacks.append(module.average)
    if job.subset_every_steps and job.ask_subset is not None:
        asking = SubsetEvaluation(job.subset_every_steps, job.steps, job.ask_subset, log, progress, job.watch)
        callbacks.append(asking)
    callbacks += [resume, HandBack(resume)]
    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message=message)
        for library in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(library).setLevel(logging.WARNING)
        trainer = build_trainer(job, strategy, plugins, callbacks)
        datamodule.totals = job.loss.totals
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume_from(job, resume.folder), weights_only=True)
    if resume.stopped:
        where = f"step {trainer.global_step} of {job.steps}"
        raise StageInterruptedError(
            f"stage {job.name} stopped by {resume.asked_by} at {where}, saved in {resume.folder}"
        )
    early = asking is not None and asking.stopped is not None
    if trainer.global_step != job.steps and not early:
        raise RuntimeError(f"stage {job.name} ended at step {trainer.global_step}, planned were {job.steps}")
    if trainer.world_size > 1:
        torch.distributed.barrier()
    return trainer.global_step
