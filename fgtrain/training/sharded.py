"""What training needs of a strategy that keeps weights, gradients or optimizer states in shards."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .resume_files import RANK_FILE, STATE_FILE, PointFiles
from .working_copy import buffers


class Sharded(ABC):
    """Mixed into a Lightning strategy. It trains a working copy of the model (`whole_model` is the original).

    Weights come from the first rank, one by one; on the others the original may lie on the meta device, so that a host
    holds the model once and not once a rank. Such an original stays there when training ends.

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
    def pieces(self) -> list[tuple[str, Tensor]]:
        """(part, values) of the fp32 tensors that this rank's optimizer steps: its share of what learns."""

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

    # ---- weights on their way from the first rank

    @property
    def has_weights(self) -> bool:
        """Does the original have them on this rank?"""
        return not next(self.whole_model.parameters()).is_meta

    def refuse_no_weights(self) -> None:
        """RuntimeError where the first rank has none to give."""
        if self.is_global_zero and not self.has_weights:
            raise RuntimeError("the first rank's model has no weights, which the others are to get from it")

    def place(self, parameter: nn.Parameter, dtype: torch.dtype | None = None) -> None:
        """Put the copy's parameter on the device: its values, or where this rank has none, room for them."""
        dtype = dtype or parameter.dtype
        if self.has_weights:
            parameter.data = parameter.data.to(self.root_device, dtype)
        else:
            parameter.data = torch.empty(parameter.shape, dtype=dtype, device=self.root_device)

    def fetch(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put parameters of the copy on the device with the first rank's values; for all ranks together."""
        for parameter in parameters:
            self.place(parameter)
            self._send(parameter.data)

    def fetch_buffers(self) -> None:
        """The same for all buffers of the copy, those that no checkpoint holds included."""
        fetched: dict[int, Tensor] = {}

        def of_first(buffer: Tensor) -> Tensor:
            if id(buffer) not in fetched:
                new = torch.empty_like(buffer, device=self.root_device)
                fetched[id(buffer)] = new if buffer.is_meta else new.copy_(buffer)
                self._send(fetched[id(buffer)])
            return fetched[id(buffer)]

        _replace(self.copied_model, "_buffers", of_first)

    def _send(self, tensor: Tensor) -> None:
        if self.world_size > 1:
            torch.distributed.broadcast(tensor, 0)

    # ---- the model as a whole

    @property
    def copied_model(self) -> Any:
        return self.lightning_module.lvlm

    @torch.no_grad()
    def hand_back(self) -> None:
        """Put what was learnt into the original model, in fp32, on every rank that has its weights. The frozen rest was
        never touched.
        """
        parameters = dict(self.whole_model.named_parameters())
        for name, values in self.learnt():
            if self.has_weights:
                parameters[name].data.copy_(values)
        if not self.has_weights:
            return
        ours = buffers(self.copied_model)
        for name, buffer in buffers(self.whole_model).items():
            buffer.copy_(ours[name])

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The LVLM with its present weights whole on every rank, for evaluation; for all ranks together."""
        original, copied = self.whole_model, self.copied_model
        ours = dict(copied.named_buffers())
        with self.whole_values() as values:
            # Others in their place, since those on the meta device could not be given values.
            of_parameter = {
                id(p): nn.Parameter(values[name], requires_grad=False) for name, p in original.named_parameters()
            }
            of_buffer = {id(b): ours[name] for name, b in original.named_buffers()}
            put_back = [
                _replace(original, "_parameters", lambda p: of_parameter[id(p)]),
                _replace(original, "_buffers", lambda b: of_buffer[id(b)]),
            ]
            try:
                yield original.eval()
            finally:
                for undo in put_back:
                    undo()

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
        if (average := self.lightning_module.average) is not None:
            shards["average"] = average.averages
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
        if (average := self.lightning_module.average) is not None:
            average.stored = shards["average"]
        return self.files.read(folder / STATE_FILE)


def averages_in_place(module: Any) -> AbstractContextManager:
    """Within it weights that are averaged have their averages."""
    return nullcontext() if module.average is None else module.average.in_place()


@contextmanager
def whole_model(trainer: Any, module: Any) -> Iterator[Any]:
    """The LVLM that a stage is training, whole and in eval mode, under any strategy; all ranks enter together. Where
    weights are averaged it has the averages, as the checkpoint will.
    """
    with averages_in_place(module):
        if isinstance(trainer.strategy, Sharded):
            with trainer.strategy.whole() as lvlm:
                yield lvlm
            return
        module.eval()
        yield module.lvlm
        module.train()


def _replace(model: nn.Module, kind: str, other: Callable[[Any], Tensor]) -> Callable[[], None]:
    """Put another tensor in the place of each of `_parameters` or `_buffers`; returns what undoes it."""
    before: list[tuple[dict, str, Tensor]] = []
    for module in model.modules():
        held = getattr(module, kind)
        for name, tensor in held.items():
            if tensor is not None:
                before.append((held, name, tensor))
                held[name] = other(tensor)

    def undo() -> None:
        for held, name, tensor in before:
            held[name] = tensor

    return undo
