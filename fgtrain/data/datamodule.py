"""The data of one stage as Lightning takes it."""

import hashlib
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

from data_builders.shared.files import atomic_write
from fgtrain.errors import UserError

from .checks import rows_identity
from .dataset import MicroBatches, Share, stage_views
from .features import FeatureCache
from .loader import MicroBatchLoader
from .lookahead import Totals, label_weight
from .stage_rows import StageRows
from .views import View


class StageData(StageRows, LightningDataModule):
    """Micro-batches of a stage's rows, and the position among them.

    `features` may be set before `prepare`: then images come as cached encoder outputs and are not opened in training.
    """

    def __init__(self, *, features: FeatureCache | None, **of_rows: Any) -> None:
        """`of_rows`: what `StageRows` is made of."""
        LightningDataModule.__init__(self)
        StageRows.__init__(self, **of_rows)
        self.features = features
        self.steps_done = 0
        self.totals: Totals = label_weight  # training sets that of its loss
        self.loader: MicroBatchLoader | None = None

    def prepare(self) -> None:
        """Check every row and, with a feature cache, encode every view that the stage will see. For one process."""
        self.check()
        if self.features is not None and self.encode():
            self.note_encoded()

    def encode(self, part: tuple[int, int] = (0, 1)) -> bool:
        """Encode this process's part (number, of how many) of the views that the stage will see; was each one good?"""
        if not self.stage.pictures_fixed:
            raise ValueError(f"stage {self.name}: images that are augmented anew in each pass cannot be cached")
        # A start that goes on need not look at all rows again for their views. Were a picture changed since, or its
        # feature lost, training would compute it where it meets it.
        if self._encoded_path.is_file():
            return True
        owners, bad = stage_views(self.order, self.maker), list(self.left_out())

        def on_bad(view: View, error: UserError) -> None:
            for data_set, row_id in owners[view]:
                bad.append(row_id)
                self.quarantine.add(data_set, row_id, str(error))

        self.features.ensure(owners, f"stage {self.name}: image features", on_bad, part)
        return not bad  # bad ones may be mended before the next start

    def note_encoded(self) -> None:
        """All processes have encoded their parts, and every view was good."""
        if not self._encoded_path.is_file():
            with atomic_write(self._encoded_path, "w") as file:
                file.write(f"{self.samples}\n")

    @property
    def _encoded_path(self) -> Path:
        return self.features.folder / "whole" / self._views_identity()

    def _views_identity(self) -> str:
        """A hash of all that decides which views the stage will see."""
        checks = [rows_identity(name, self.maker) for name in sorted(self.stage.mix)]
        chosen = (
            self.seed,
            self.name,
            sorted(self.samples_of_each.items()),
            sorted(self.stage.augmented.items()),
            self.stage.augment_views,
        )
        return hashlib.sha256(repr((chosen, checks)).encode()).hexdigest()[:32]

    def micro_batches(self, rank: int = 0, world_size: int = 1) -> MicroBatches:
        """All micro-batches of one device. UserError when the global batch does not divide among the devices."""
        per_turn = self.devices.per_device_batch_size * world_size
        size = self.stage.global_batch_size
        if size % per_turn:
            below = size // per_turn * per_turn
            nearest = ", ".join(str(n) for n in (below, below + per_turn) if n)
            raise UserError(
                f"stages.{self.name}.global_batch_size is {size}, not a multiple of {per_turn} "
                f"({self.devices.per_device_batch_size} per device x {world_size} devices). Nearest that are: {nearest}"
            )
        rollouts = self.stage.rollouts
        repeats = 1 if rollouts is None else rollouts.updates_per_rollout
        return MicroBatches(
            order=self.order,
            loads_SL=self.loads_SL,
            share=Share(size, size // per_turn, rank, world_size, repeats),
            maker=self.maker,
            spec=self.image_spec,
            quarantine=self.quarantine,
            pack_tokens=self.devices.pack_tokens,
            weighting=self.stage.loss_weighting,
            features=self.features,
            left_out=self.quarantine.left_out(),
        )

    def train_dataloader(self) -> MicroBatchLoader:
        """The micro-batches of this device that are not done yet."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches = self.micro_batches(rank, world)
        start = self.steps_done * batches.share.accumulation
        self.loader = MicroBatchLoader(batches, start, self.devices.workers, self.totals)
        return self.loader

    @property
    def waited(self) -> float:
        """Seconds that training has waited for batches so far."""
        return self.loader.waited if self.loader is not None else 0.0

    def state_dict(self) -> dict[str, Any]:
        """The same on every device: steps done, whatever number of devices did them."""
        return {"steps_done": self.trainer.global_step if self.trainer else self.steps_done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps_done = state_dict["steps_done"]
