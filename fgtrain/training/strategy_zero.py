"""DeepSpeed's ZeRO as a strategy whose step is the same as everybody else's."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import deepspeed
import torch
from deepspeed.utils import safe_get_full_fp32_param, safe_set_full_fp32_param
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor

from .resume_files import PointFiles
from .sharded import Sharded
from .zero_habits import OneByOne, zero_class_in_stage_1

BUCKET = 200_000_000  # elements that are reduced or gathered at once
PERSISTENT = 100_000  # ZeRO-3 leaves parameters of fewer elements whole: gathering them costs more than they do


class ZeroStrategy(Sharded, DeepSpeedStrategy):
    """ZeRO stage 1, 2 or 3, with optimizer states and, in stage 3, weights kept in host memory where asked for."""

    clips = True

    def __init__(
        self, stage: int, offload: str | None, files: PointFiles, whole_model: Any, timeout: timedelta
    ) -> None:
        super().__init__(
            stage=stage,
            offload_optimizer=offload is not None,
            offload_parameters=offload == "parameters",
            pin_memory=torch.cuda.is_available(),
            timeout=timeout,
        )
        self.shards_weights = stage == 3
        self.kind, self.files, self.whole_model = f"deepspeed_stage_{stage}", files, whole_model
        self.config["train_micro_batch_size_per_gpu"] = 1  # only for its own throughput log; else it asks the loader
        # With states in host memory torch's own fused AdamW steps there: no extension to be compiled.
        self.config["zero_force_ds_cpu_optimizer"] = False
        # Micro-batches' gradients are bf16 where the weights are; their sum is kept in fp32.
        self.config["data_types"] = {"grad_accum_dtype": "fp32"}
        if stage == 1:  # the only one that reduces once a step, and not each micro-batch
            self.config["communication_data_type"] = "fp32"

    # ---- the step

    def backward(self, closure_loss: Tensor, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Lightning has divided the loss by the accumulation count already; DeepSpeed must not do it again."""
        super().backward(closure_loss, optimizer, *args, scale_wrt_gas=False, **kwargs)

    def _note_norms(self) -> None:
        """Keep the norms of its groups, which DeepSpeed only combines: all ranks', reduced, in the order of groups."""
        zero, groups = self.deepspeed_engine.optimizer, self.lightning_module.parameter_groups
        group_of = {id(p): number for number, group in enumerate(groups) for p in group["params"]}
        # Stage 3 cuts large groups into several.
        theirs = zero.fp16_groups if self.zero_stage_3 else zero.bit16_groups
        self.group_of_norm = [group_of[id(parameters[0])] for parameters in theirs]
        self.norms: list[Any] = []

        def noting(norm_of: Callable[..., Any]) -> Callable[..., Any]:
            def noted(*args: Any, **kwargs: Any) -> Any:
                self.norms.append(norm := norm_of(*args, **kwargs))
                return norm

            return noted

        for name in ("get_grad_norm_direct", "complete_grad_norm_calculation_for_cpu_offload"):  # the latter: offload
            setattr(zero, name, noting(getattr(zero, name)))

    def gradient_norms(self) -> tuple[float, list[float]]:
        norms = torch.stack([torch.as_tensor(norm).to(self.root_device, torch.float64) for norm in self.norms])
        self.norms.clear()
        squares = [0.0] * len(self.lightning_module.parameter_groups)
        for group, norm in zip(self.group_of_norm, norms.tolist(), strict=True):
            squares[group] += norm**2
        return float(self.deepspeed_engine.get_global_grad_norm()), [square**0.5 for square in squares]

    # ---- starting, also on CPUs

    def setup_environment(self) -> None:
        if isinstance(self.accelerator, CPUAccelerator):
            os.environ["LOCAL_SIZE"] = str(self.num_processes)  # else DeepSpeed asks numactl
            # Its reduction through shared memory would be compiled at the first start; gloo needs no compiler.
            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
            return super(DeepSpeedStrategy, self).setup_environment()
        super().setup_environment()

    def setup_distributed(self) -> None:
        if not isinstance(self.accelerator, CPUAccelerator):
            return super().setup_distributed()
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()

    @property
    def root_device(self) -> torch.device:
        device = super().root_device
        return torch.device("cpu", 0) if device.type == "cpu" else device  # DeepSpeed wants an index

    def setup(self, trainer: Any) -> None:
        zero = self.config["zero_optimization"]
        learns = sum(p.numel() for p in self.copied_model.parameters() if p.requires_grad)
        for bucket in ("reduce_bucket_size", "allgather_bucket_size"):
            zero[bucket] = max(1, min(BUCKET, learns))
        # On CPUs run small models, in tests: shard them all the same.
        zero["stage3_param_persistence_threshold"] = 0 if self.root_device.type == "cpu" else PERSISTENT
        self.refuse_no_weights()
        self.fetch_buffers()
        self._place_weights()
        originals = {name: b for name, b in self.copied_model.named_buffers() if b.is_floating_point()}
        with zero_class_in_stage_1():
            super().setup(trainer)
        # DeepSpeed casts tables (rotary frequencies) and statistics to bf16 with the weights. Positions need fp32.
        for name, original in originals.items():
            owner, _, key = name.rpartition(".")
            self.copied_model.get_submodule(owner)._buffers[key] = original.to(self.root_device)
        self._note_norms()
        self._exact_masters()

    def _exact_masters(self) -> None:
        """DeepSpeed has made its fp32 weights of the rounded ones that the model computes with; take the original's."""
        if self.precision_plugin.precision != "bf16-mixed":
            return
        originals = dict(self.whole_model.named_parameters())
        for name, parameter in self.copied_model.named_parameters():
            if parameter.requires_grad:
                exact = torch.empty(originals[name].shape, device=self.root_device)
                if self.has_weights:
                    exact.copy_(originals[name])
                self._send(exact)
                safe_set_full_fp32_param(parameter, exact)

    def _place_weights(self) -> None:
        """One by one onto the device in the type they are trained in; stage 3 shards each before the next one comes.
        DeepSpeed sends them from the first rank to the others, here in stage 3, else when its engine is made.
        """
        dtype = torch.bfloat16 if self.precision_plugin.precision == "bf16-mixed" else torch.float32
        placed = OneByOne(self.copied_model, lambda parameter: self.place(parameter, dtype))
        if self.zero_stage_3:
            self._init_config_if_needed()
            deepspeed.zero.Init(module=placed, config_dict_or_path=self.config)
        else:
            list(placed.parameters())

    def teardown(self) -> None:
        """Free the engine's memory; what it held has been handed back or saved."""
        if isinstance(self.model, deepspeed.DeepSpeedEngine):
            self.model.destroy()
            self.model = None
        self.optimizers = []
        self.precision_plugin.teardown()
        self.accelerator.teardown()

    def shard(self, module: Any) -> None:
        """DeepSpeed shards in its own setup."""

    # ---- whole values

    def learnt(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.copied_model.named_parameters():
            if parameter.requires_grad:
                yield name, safe_get_full_fp32_param(parameter)

    @contextmanager
    def whole_values(self) -> Iterator[dict[str, Tensor]]:
        parameters = dict(self.copied_model.named_parameters())
        with deepspeed.zero.GatheredParameters(list(parameters.values()), enabled=self.zero_stage_3):
            values = {name: parameter.data for name, parameter in parameters.items()}
            if self.lightning_module.average is not None:  # lies in the fp32 weights, of which these are copies
                values |= {name: whole.to(values[name].dtype) for name, whole in self.learnt()}
            yield values

    # ---- shards: fp32 weights in flat pieces, and the optimizer's states of the same pieces

    @property
    def _flat(self) -> list[Tensor]:
        zero = self.deepspeed_engine.optimizer
        return zero.fp32_partitioned_groups_flat if self.zero_stage_3 else zero.single_partition_of_fp32_groups

    def pieces(self) -> list[tuple[str, Tensor]]:
        groups = self.lightning_module.parameter_groups
        return [
            (groups[number]["part"], flat.detach()) for number, flat in zip(self.group_of_norm, self._flat, strict=True)
        ]

    def shards(self) -> dict[str, Any]:
        zero = self.deepspeed_engine.optimizer
        if self.zero_stage_3:
            state = zero.state_dict()["optimizer_state_dict"]
        else:
            state = zero.optimizer.state_dict()
        return {"weights": [flat.detach() for flat in self._flat], "optimizer": state}

    def load_shards(self, shards: dict[str, Any]) -> None:
        zero = self.deepspeed_engine.optimizer
        if self.zero_stage_3:
            blank = zero.state_dict()  # what only DeepSpeed knows stays as it is now
            saved = {"optimizer_state_dict": shards["optimizer"], "fp32_flat_groups": shards["weights"]}
            states: list[Any] = [None] * self.world_size
            states[self.global_rank] = {**blank, **saved}
            zero.load_state_dict(states)
            zero.checkpoint_event_epilogue()
            return
        for flat, saved in zip(self._flat, shards["weights"], strict=True):
            flat.data.copy_(saved)
        zero.optimizer.load_state_dict(shards["optimizer"])
        zero.update_lp_params()
