"""FSDP2 (torch's `fully_shard`) as a strategy.

With offload, shards of weights, gradients and optimizer states lie in host memory; a layer's weights are on the device
while it computes and no longer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from .resume_files import PointFiles
from .sharded import Sharded


def blocks(model: nn.Module) -> list[nn.Module]:
    """The layers that transformers says are not to be split: each is gathered, used and let go by itself."""
    names = {
        name
        for module in model.modules()
        if isinstance(module, PreTrainedModel)
        for name in (module._no_split_modules or ())
    }
    return [module for module in model.modules() if type(module).__name__ in names]


class Fsdp2Strategy(Sharded, ModelParallelStrategy):
    """Weights, gradients and optimizer states sharded over all ranks, in fp32; in bf16 they are gathered as bf16."""

    kind = "fsdp"
    shards_weights = True

    def __init__(
        self, ranks: int, offload: str | None, bf16: bool, files: PointFiles, whole_model: Any, timeout: timedelta
    ) -> None:
        super().__init__(data_parallel_size=ranks, tensor_parallel_size=1, timeout=timeout)
        self.offload, self.bf16, self.files, self.whole_model = offload, bf16, files, whole_model

    def gradient_norms(self) -> tuple[float, list[float]]:
        raise RuntimeError("the module clips, and knows the norms")

    def shard(self, module: Any) -> None:
        options: dict[str, Any] = {"mesh": self.device_mesh["data_parallel"]}
        if self.bf16:
            options["mp_policy"] = MixedPrecisionPolicy(
                param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
            )
        if self.offload is not None:
            options["offload_policy"] = CPUOffloadPolicy(pin_memory=torch.cuda.is_available())
        lvlm = module.lvlm
        names = {id(parameter): name for name, parameter in lvlm.named_parameters()}
        self.refuse_no_weights()
        self.fetch_buffers()
        for block in (*blocks(lvlm), lvlm):
            whole = [parameter for parameter in block.parameters() if not isinstance(parameter, DTensor)]
            self.fetch(whole)
            fully_shard(block, **options)
            for parameter in whole:  # shards are copies
                parameter.data = parameter.data.new_empty(0)
        # The model is entered here and not through forward; gathering has to begin all the same.
        register_fsdp_forward_method(lvlm, "learn_from")
        sharded = dict(lvlm.named_parameters())
        module.learn([{**g, "params": [sharded[names[id(p)]] for p in g["params"]]} for g in module.parameter_groups])

    def model_to_device(self) -> None:
        """Nothing is left to be moved: `shard` has put buffers on the device and shards to where they belong. Lightning
        would move all to the device, which FSDP refuses where they belong to the host.
        """

    # ---- whole values

    def learnt(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.copied_model.named_parameters():
            if parameter.requires_grad:
                yield name, self._whole(parameter)

    @contextmanager
    def whole_values(self) -> Iterator[dict[str, Tensor]]:
        yield {name: self._whole(parameter) for name, parameter in self.copied_model.named_parameters()}

    def _whole(self, parameter: DTensor) -> Tensor:
        """Its whole values on the device, where they are gathered: NCCL takes nothing from host memory."""
        return parameter.detach().to(self.root_device).full_tensor()

    # ---- shards

    def pieces(self) -> list[tuple[str, Tensor]]:
        groups = self.lightning_module.parameter_groups
        return [(group["part"], p.detach().to_local()) for group in groups for p in group["params"]]

    def shards(self) -> dict[str, Any]:
        weights = {n: p.to_local() for n, p in self.copied_model.named_parameters() if p.requires_grad}
        return {"weights": weights, "optimizer": _local(self.optimizers[0].state_dict())}

    def load_shards(self, shards: dict[str, Any]) -> None:
        optimizer = self.optimizers[0]
        with torch.no_grad():
            for name, parameter in self.copied_model.named_parameters():
                if parameter.requires_grad:
                    parameter.to_local().copy_(shards["weights"][name])
        state = shards["optimizer"]
        order = [p for group in optimizer.param_groups for p in group["params"]]
        sharded = {
            number: {key: _like(order[number], value) for key, value in of_one.items()}
            for number, of_one in state["state"].items()
        }
        optimizer.load_state_dict({**state, "state": sharded})


def _local(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state dict with this rank's pieces in place of sharded tensors."""
    pieces = {
        number: {key: v.to_local() if isinstance(v, DTensor) else v for key, v in of_one.items()}
        for number, of_one in state["state"].items()
    }
    return {**state, "state": pieces}


def _like(parameter: DTensor, value: Any) -> Any:
    """The piece as a sharded tensor of the parameter's kind; what is no piece (a step count) as it is."""
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    return DTensor.from_local(
        value.to(parameter.to_local().device),
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
