"""What training needs of a strategy that keeps weights, gradients or optimizer states in shards."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .resume_files import RANK_FILE, STATE_FILE, PointFiles
from .working_copy import buffers


class Sharded(ABC):
    """Mixed into a Lightning strategy. It trains a working copy of the model (`whole_model` is the original).

    Resume points hold one file a rank, with its shards, beside the one file of what all ranks share.
    """

    clips = False  # does the strategy clip, and know the gradient's norm?
    shards_weights: bool  # or optimizer states and gradients only?
    kind: str  # as devices.strategy names it
    files: PointFiles
    whole_model: Any  # the LVLM whose copy is trained

    @abstractmethod
    def shard(self, module: Any) -> None:
        """Take the model apart before optimizers are made, where the strategy does not do so by itself later."""

    @abstractmethod
    def gradient_norms(self) -> tuple[float, list[float]]:
        """Of the whole gradient of the latest step, and of each parameter group's; before clipping."""

    @abstractmethod
    def shards(self) -> dict[str, Any]:
        """This rank's share of learning weights (fp32) and optimizer states: tensors and plain values only."""

    @abstractmethod
    def load_shards(self, shards: dict[str, Any]) -> None:
        """What `shards` returned, on as many ranks."""

    @abstractmethod
    def learnt(self) -> Iterator[tuple[str, Tensor]]:
        """(name in the LVLM, whole fp32 values) of each learning parameter. All ranks must go through it together."""

    @abstractmethod
    @contextmanager
    def whole_values(self) -> Iterator[dict[str, Tensor]]:
        """Name -> whole values, as training computes with them, of every parameter of the LVLM. For all ranks."""

    def most_of_ranks(self, number: int) -> int:
        """The largest such number on any rank; for all ranks together."""
        if self.world_size == 1:
            return number
        largest = torch.tensor(number, device=self.root_device)
        torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
        return int(largest)

    # ---- the model as a whole

    @property
    def copied_model(self) -> Any:
        return self.lightning_module.lvlm

    @torch.no_grad()
    def hand_back(self) -> None:
        """Put what was learnt into the original model, in fp32, on every rank. The frozen rest was never touched."""
        parameters = dict(self.whole_model.named_parameters())
        for name, values in self.learnt():
            parameters[name].data.copy_(values)
        ours = buffers(self.copied_model)
        for name, buffer in buffers(self.whole_model).items():
            buffer.copy_(ours[name])

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The LVLM with its present weights whole on every rank, for evaluation; for all ranks together."""
        original = self.whole_model
        parameters = dict(original.named_parameters())
        before = {name: p.data for name, p in parameters.items()}
        tensors = dict(original.named_buffers())
        buffers_before = {name: b.data for name, b in tensors.items()}
        ours = dict(self.copied_model.named_buffers())
        with self.whole_values() as values:
            try:
                for name, p in parameters.items():
                    p.data = values[name]
                for name, b in tensors.items():
                    b.data = ours[name].data
                yield original.eval()
            finally:
                for name, p in parameters.items():
                    p.data = before[name]
                for name, b in tensors.items():
                    b.data = buffers_before[name]

    # ---- resume points, as Lightning asks for them

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        return True

    @property
    def lightning_restore_optimizer(self) -> bool:
        return False  # load_checkpoint has done it

    def lightning_module_state_dict(self) -> dict[str, Any]:
        return {}  # shards() holds what learns

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        return {}

    def load_model_state_dict(self, checkpoint: Any, strict: bool = True) -> None:
        return  # load_checkpoint has done it

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        return  # load_checkpoint has done it

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None) -> None:
        shards = {**self.shards(), "buffers": buffers(self.copied_model)}
        self.files.write(Path(filepath) / RANK_FILE.format(self.global_rank), shards)
        if self.is_global_zero:
            self.files.write(Path(filepath) / STATE_FILE, checkpoint)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        folder = Path(checkpoint_path)
        shards = self.files.read(folder / RANK_FILE.format(self.global_rank))
        with torch.no_grad():
            for name, buffer in buffers(self.copied_model).items():
                buffer.copy_(shards["buffers"][name])
        self.load_shards(shards)
        return self.files.read(folder / STATE_FILE)


@contextmanager
def whole_model(trainer: Any, module: Any) -> Iterator[Any]:
    """The LVLM that a stage is training, whole and in eval mode, under any strategy; all ranks enter together."""
    if isinstance(trainer.strategy, Sharded):
        with trainer.strategy.whole() as lvlm:
            yield lvlm
        return
    module.eval()
    yield module.lvlm
    module.train()
