"""What a person may write of where a recipe runs: devices, and what one GPU can do."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from .keys import Positive, Section


class GpuFigures(Section):
    """What one GPU can do and hold, by its data sheet; dense, without sparsity."""

    bf16_tflops: Annotated[float, Field(gt=0)]  # 10^12 operations a second in bf16
    fp32_tflops: Annotated[float, Field(gt=0)]  # the same in fp32
    memory_tb_per_s: Annotated[float, Field(gt=0)]  # 10^12 bytes a second
    memory_gb: Annotated[float, Field(gt=0)]  # of 10^9 bytes


# Told apart by a tag, so that a mistake is told once.
Gpu = Annotated[
    Annotated[str, Tag("[all]")] | Annotated[GpuFigures, Tag("[each]")],
    Discriminator(lambda value: "[each]" if isinstance(value, dict | GpuFigures) else "[all]"),
]


class Devices(Section):
    """Where it runs. Nothing here changes what is learnt but `precision`, and `layer_kernels` by rounding."""

    count: Positive = 1  # per node
    nodes: Positive = 1  # of a job
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"  # auto = GPUs where there are any
    # What plans reckon with where no GPU is, or one that is not known: a name (H200) or its figures; null = an A100.
    gpu: Gpu | None = None
    # How devices share the work; all take the same step. auto = single on one device, else ddp
    strategy: Literal[
        "auto", "single", "ddp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3", "fsdp"
    ] = "auto"
    offload: Literal["optimizer", "parameters"] | None = None  # to host memory: optimizer states; weights as well
    precision: Literal["fp32", "bf16"] = "fp32"  # of the arithmetic; weights and optimizer states are fp32
    per_device_batch_size: Positive = 8  # samples per device and micro-batch
    # Most tokens in a row; null = a micro-batch is one row without padding. For language models that run no packed
    # attention: their mask grows with the square of the row.
    pack_tokens: Positive | None = None
    activation_checkpointing: bool = False  # layers are computed again in the backward pass: slower, much less memory
    # How the language model's attention is computed; every way gives the same. auto = flash attention where the GPU has
    # it, else SDPA sample by sample; flex needs triton and a C compiler on every node.
    attention: Literal["auto", "varlen", "flex", "sdpa"] = "auto"
    # Of the language model: torch's own, "compile" (fused by torch.compile, needs a C compiler) or "liger" (fused by
    # the package of that name); "auto" = liger where accelerator is gpu and it is installed, else torch.
    layer_kernels: Literal["auto", "torch", "compile", "liger"] = "auto"
    workers: Annotated[int, Field(ge=0)] = 0  # loader processes per device
    timeout_minutes: Positive = 30  # that processes wait for each other; one that fails ends the others at once anyway
    bad_rows: Annotated[int, Field(ge=0)] = 0  # quota of unreadable rows; 0 = the first one stops the run

    @property
    def world_size(self) -> int:
        """Devices over all nodes."""
        return self.count * self.nodes
