"""One stage as a LightningModule: the loss is a sum, divided once by what the whole step holds."""

from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from fgtrain.batch import IGNORE_INDEX, Batch

from .schedule import learning_rate_factor


class StageModule(LightningModule):
    """Trains an LVLM's unfrozen parts on packed batches.

    The gradient of a step is that of `sum(weight * cross entropy) / sum(weight)` over all supervised tokens of the
    step, on all ranks and in all accumulated micro-batches. Lightning would average the micro-batches' means instead,
    which favours micro-batches with few answer tokens; so `training_step` returns the sum with Lightning's own division
    undone, and the one division happens in `on_before_optimizer_step`, before clipping.
    """

    strict_loading = False  # checkpoints hold only what learns; the frozen rest is in the stage's starting point

    def __init__(self, lvlm: Any, parameter_groups: list[dict], steps: int, stage: Any) -> None:
        """`parameter_groups`: `[{params, lr, part}]` from set_trainable; `stage`: the recipe's stage section."""
        super().__init__()
        self.lvlm = lvlm
        self.parameter_groups = parameter_groups
        self.steps = steps
        self.stage = stage
        self.learns = [p for group in parameter_groups for p in group["params"]]
        self.register_buffer("step_weight", torch.zeros((), dtype=torch.float64), persistent=False)
        self.register_buffer("step_loss", torch.zeros((), dtype=torch.float64), persistent=False)
        self.data_set_loss: dict[str, list[float]] = {}  # name -> [weighted loss, weight] since it was last read
        self.last: dict[str, float] = {}  # figures of the latest optimizer step
        self.tokens_seen = 0

    def training_step(self, batch: Batch, index: int) -> Tensor:
        losses_S = self.lvlm.token_losses_S(batch)
        supervised_BT = batch.targets_BT != IGNORE_INDEX
        weights_S = batch.weights_BT[supervised_BT].to(losses_S.dtype)
        weighted_S = losses_S * weights_S
        loss = weighted_S.sum()
        if not losses_S.numel():  # an empty micro-batch still touches every learning parameter, as its peers do
            loss = loss + 0.0 * sum(p.sum() for p in self.learns)
        if not torch.isfinite(loss.detach()):
            raise FloatingPointError(
                f"loss is {loss.item()} at step {self.trainer.global_step}; rows of this micro-batch: "
                f"{', '.join(batch.samples[:16])}"
            )
        self.step_weight += weights_S.detach().sum().double()
        self.step_loss += loss.detach().double()
        self.tokens_seen += int((batch.sample_id_BT != 0).sum())
        self._note_data_sets(batch, supervised_BT, weighted_S.detach(), weights_S)
        return loss * self.trainer.accumulate_grad_batches

    def _note_data_sets(self, batch: Batch, supervised_BT: Tensor, weighted_S: Tensor, weights_S: Tensor) -> None:
        """Add each data set's weighted loss and weight, for the per-data-set curves."""
        if not batch.data_sets:
            return
        # Samples are numbered from 1 within a row; their place in the batch is their row's offset plus that number.
        per_row_B = batch.sample_id_BT.max(dim=1).values
        offset_B = torch.cumsum(per_row_B, 0) - per_row_B
        place_S = (batch.sample_id_BT + offset_B[:, None])[supervised_BT] - 1
        sums = torch.zeros(len(batch.data_sets), 2, dtype=torch.float64)
        sums[:, 0].index_add_(0, place_S.cpu(), weighted_S.double().cpu())
        sums[:, 1].index_add_(0, place_S.cpu(), weights_S.double().cpu())
        for name, (loss, weight) in zip(batch.data_sets, sums.tolist(), strict=True):
            entry = self.data_set_loss.setdefault(name, [0.0, 0.0])
            entry[0] += loss
            entry[1] += weight

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        world = self.trainer.world_size
        totals = torch.stack([self.step_weight, self.step_loss])
        if world > 1:
            dist.all_reduce(totals)
        weight, loss = totals.tolist()
        if weight == 0:
            raise RuntimeError(f"step {self.trainer.global_step} holds no supervised token")
        # DDP has averaged the ranks' gradients; the sum is what the one division needs.
        gradients = [p.grad for p in self.learns if p.grad is not None]
        torch._foreach_mul_(gradients, world / weight)
        if self.trainer.global_step == 0:
            self._refuse_missing_gradients()
        norm = torch.nn.utils.get_total_norm(gradients).item()
        rates = {group["part"]: group["lr"] for group in optimizer.param_groups}
        self.last = {"loss": loss / weight, "grad_norm": norm, "label_weight": weight, "lr": rates}
        self.step_weight.zero_()
        self.step_loss.zero_()

    def _refuse_missing_gradients(self) -> None:
        missing = [n for n, p in self.lvlm.named_parameters() if p.requires_grad and p.grad is None]
        if missing:
            raise RuntimeError(f"these parameters are to learn but got no gradient: {', '.join(missing[:8])}")

    def configure_optimizers(self) -> dict:
        groups = [
            {**group, "weight_decay": self.stage.weight_decay, "params": list(group["params"])}
            for group in self.parameter_groups
        ]
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), weight_decay=self.stage.weight_decay)

        def factor(step: int) -> float:
            return learning_rate_factor(step, self.steps, self.stage.warmup_fraction, self.stage.min_lr_fraction)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep what can have changed: learning parameters, and buffers of the parts they lie in."""
        frozen = {f"lvlm.{n}" for n, p in self.lvlm.named_parameters() if not p.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k not in frozen}
        checkpoint["tokens_seen"] = self.tokens_seen

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.tokens_seen = checkpoint["tokens_seen"]


def optimizer_step_ended(trainer: Trainer, index: int) -> bool:
    """Did this micro-batch complete an optimizer step?"""
    return (index + 1) % trainer.accumulate_grad_batches == 0
