"""One stage as a LightningModule: the loss is a sum, divided once by what the whole step holds."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from data_builders.shared.seeding import address_hash
from fgtrain.batch import Batch

from .divergence import DivergenceWatch
from .faults import refuse_faults
from .gradient_norm import gradient_norms
from .gradient_watch import GradientWatch
from .objectives import StageLoss, Summed
from .optimizers import build_optimizer
from .schedule import learning_rate_factor
from .sharded import Sharded


class StageModule(LightningModule):
    """Trains an LVLM's unfrozen parts on packed batches.

    The gradient of a step is that of the loss's sum over all that the step holds, on all ranks and in all accumulated
    micro-batches, over its total: for answers `sum(weight * cross entropy) / sum(weight)` over all supervised tokens.
    Lightning and the strategies average instead, over micro-batches and over ranks, which favours those with few answer
    tokens. So each micro-batch's loss is its sum, times what those averages divide by, over the total of the whole
    step. That total is known before the first backward pass (`Batch.step_totals`, added up over the ranks), so
    gradients are right as soon as they exist, wherever a strategy keeps them, and clipping sees the true norm.
    """

    strict_loading = False  # checkpoints hold only what learns; the frozen rest is in the stage's starting point

    def __init__(
        self,
        lvlm: Any,
        parameter_groups: list[dict],
        steps: int,
        stage: Any,
        name: str,
        seed: int,
        loss: StageLoss | None = None,
    ) -> None:
        """`parameter_groups`: `[{params, lr, part}]` from set_trainable; `stage`: the recipe's stage section; `loss`:
        default the cross entropy of answers."""
        super().__init__()
        self.lvlm = lvlm
        self.learn(parameter_groups)
        self.steps, self.stage, self.name, self.seed = steps, stage, name, seed
        self.loss = loss or StageLoss()
        self.step_totals: list[float] = []  # of the step under way, all ranks
        self.step_sums: Tensor | None = None  # of the step so far, this rank
        self.step_is_whole = False  # is the micro-batch under way the last of its step?
        self.grad_norm = float("nan")  # of the latest step, before clipping
        self.grad_norm_by_part: dict[str, float] = {}
        self.data_set_loss: dict[str, list[float]] = {}  # name -> [sum, total] since it was last read
        self.last: dict[str, float] = {}  # figures of the latest optimizer step
        self.tokens_seen = 0
        self.touched = GradientWatch(self)
        self.finite = DivergenceWatch(name)
        self.average: Any = None  # WeightAverage, where the stage averages its weights

    def learn(self, parameter_groups: list[dict]) -> None:
        self.parameter_groups = parameter_groups
        self.learns = [p for group in parameter_groups for p in group["params"]]

    def configure_model(self) -> None:
        """A strategy that shards the model does it here."""
        if isinstance(self.trainer.strategy, Sharded):
            self.trainer.strategy.shard(self)

    def on_train_start(self) -> None:
        self.loss.begin(self.trainer, self)
        self.train()  # Lightning leaves modes as they are, and evaluation has left the model in eval mode
        self.touched.start()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        trainer = self.trainer
        if index % trainer.accumulate_grad_batches == 0:
            self._begin_step(batch)
        self.step_is_whole = optimizer_step_ended(trainer, index)
        # Dropout and its kind: the same at every start, whatever was drawn before.
        address = (self.seed, self.name, "training", index, trainer.global_rank)
        torch.manual_seed(address_hash(*address) % 2**63)
        batch = self.loss.objective.prepared(self.lvlm, batch, address)
        summed = self.lvlm.learn_from(batch, self.loss.of)
        loss = self.loss.combined(summed, self.step_totals, trainer.accumulate_grad_batches * trainer.world_size)
        self.finite.add(batch.samples, loss)
        if self.step_is_whole:  # before the backward pass, and long before the step
            self.finite.check_losses(trainer.global_step, trainer.world_size)
        self.step_sums += self.loss.sums(summed)
        self.tokens_seen += batch.counts.tokens
        self._note_data_sets(batch, summed[0])
        return loss

    def _begin_step(self, batch: Batch) -> None:
        """Learn the totals of the whole step, on all ranks. SharedUserError when one of them has no data."""
        told = torch.tensor([*batch.step_totals, batch.fault is not None], dtype=torch.float64, device=self.device)
        if self.trainer.world_size > 1:
            dist.all_reduce(told)
        *self.step_totals, faults = told.tolist()
        if faults:
            refuse_faults(batch.fault, self.trainer.world_size)
        if self.step_totals[0] == 0:
            raise RuntimeError(f"step {self.trainer.global_step} holds nothing to learn")
        self.step_sums = self.loss.no_sums(self.device)
        self.finite.begin_step()

    def _note_data_sets(self, batch: Batch, objective: Summed) -> None:
        """Add each data set's part of the objective and of its total, for the per-data-set curves."""
        if not batch.data_sets or objective.of_samples_N is None:
            return
        parts_N, totals_N = objective.of_samples_N
        for name, part, total in zip(batch.data_sets, parts_N.tolist(), totals_N.tolist(), strict=True):
            entry = self.data_set_loss.setdefault(name, [0.0, 0.0])
            entry[0] += part
            entry[1] += total

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the whole gradient by its norm, and keep the norms. DeepSpeed does both itself, in its step."""
        strategy, clip = self.trainer.strategy, gradient_clip_val
        if isinstance(strategy, Sharded) and strategy.clips:
            return
        norm, norm_G = gradient_norms(self.parameter_groups, strategy.root_device)
        self.grad_norm, *of_groups = torch.cat([norm[None], norm_G]).tolist()
        self._note_parts(of_groups)
        self.finite.check_norm(self.grad_norm, self.trainer.global_step)
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.learns, clip, norm)

    def _note_parts(self, norms: list[float]) -> None:
        parts = [group["part"] for group in self.parameter_groups]
        self.grad_norm_by_part = dict(zip(parts, norms, strict=True))

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Optimizer, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """As in Lightning, and afterwards `last` holds the step's figures."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if not optimizer_step_ended(self.trainer, batch_idx):  # DeepSpeed counts micro-batches itself
            return
        strategy, sums = self.trainer.strategy, self.step_sums
        if isinstance(strategy, Sharded) and strategy.clips:
            self.grad_norm, of_groups = strategy.gradient_norms()
            self._note_parts(of_groups)
            self.finite.check_norm(self.grad_norm, self.trainer.global_step - 1)
        for _, part in self.loss.parts:
            part.step_ended(self.trainer.world_size)
        if self.trainer.world_size > 1:
            dist.all_reduce(sums)
        self.last = {
            **self.loss.shown(sums.tolist(), self.step_totals),
            "grad_norm": self.grad_norm,
            "grad_norm_by_part": self.grad_norm_by_part,
            "label_weight": self.step_totals[0],
            "lr": {group["part"]: group["lr"] for group in optimizer.param_groups},
        }

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.touched.check()

    def configure_optimizers(self) -> dict:
        groups = [{**group, "params": list(group["params"])} for group in self.parameter_groups]
        optimizer = build_optimizer(self.stage.optimizer, groups, self.stage.weight_decay)

        def factor(step: int) -> float:
            return learning_rate_factor(step, self.steps, self.stage.warmup_fraction, self.stage.min_lr_fraction)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep what can have changed: learning parameters, and buffers of the parts they lie in."""
        frozen = {f"lvlm.{n}" for n, p in self.lvlm.named_parameters() if not p.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k not in frozen}
        checkpoint["tokens_seen"] = self.tokens_seen
        checkpoint["loss"] = self.loss.state_dict()

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.tokens_seen = checkpoint["tokens_seen"]
        self.loss.load_state_dict(checkpoint["loss"])


def optimizer_step_ended(trainer: Trainer, index: int) -> bool:
    """Did this micro-batch complete an optimizer step?"""
    return (index + 1) % trainer.accumulate_grad_batches == 0
