"""Host memory of a node, the first one, which has most: while a stage's model loads, trains and is written. Pure.

    always     processes x (program + workers x worker)
    original   under a sharding strategy the first process keeps the whole model in fp32; the others get their shards
    offloaded  what devices.offload keeps on the host: AdamW's states (optimizer), the weights as well (parameters), and
               a gradient of each number that is stepped there
    loading    always + original + one weights file for each process that reads them, its tensors go straight to where
               they belong
    training   always + original + offloaded
    saving     training + one weights file, and the model once more where the best checkpoint is made beside the last

On CPUs the devices' memory is the host's, so each process adds its own.
"""

from fgtrain.recipe import Devices

from .arithmetic import BYTES_FP32, offloaded_bytes
from .schema import HostPlan

PROGRAM = 3 << 30  # of a process: libraries, the GPU's context, staging buffers (assumed)
CPU_PROGRAM = 1 << 30  # without a GPU
WORKER = 768 << 20  # of a loader process: a few decoded batches ahead (assumed)
WEIGHTS_FILE = 5_000_000_000  # largest file that checkpoints are cut into


def host_plan(
    devices: Devices,
    parameters: int,
    held: tuple[int, int, int],
    device_bytes: int,
    again: bool = False,
    averaged: int = 0,
) -> HostPlan:
    """Bytes on one node. `held`: weights, gradients and states of a device; `device_bytes`: its peak, activations
    included; `averaged`: parameters whose average is among the states. `again`: the model is made once more while
    checkpoints are written.
    """
    here, on_cpu = devices.count, devices.accelerator == "cpu"
    sharded = devices.strategy == "fsdp" or devices.strategy.startswith("deepspeed")
    whole = parameters * BYTES_FP32
    file = min(whole, WEIGHTS_FILE)
    always = here * ((CPU_PROGRAM if on_cpu else PROGRAM) + devices.workers * WORKER) + (whole if sharded else 0)
    offloaded = offloaded_bytes(held, devices.offload)
    # States are two numbers for each that learns, three with DeepSpeed's fp32 weights beside bf16 ones.
    numbers = 3 if devices.precision == "bf16" and devices.strategy.startswith("deepspeed") else 2
    averages = -(-averaged * BYTES_FP32 // devices.world_size)
    gradients = max(0, offloaded[2] - averages) // numbers
    training = always + here * (device_bytes if on_cpu else sum(offloaded) + gradients)
    return HostPlan(
        loading=always + (1 if sharded else here) * file + here * (held[0] if on_cpu else offloaded[0]),
        training=training,
        saving=training + file + (whole if again else 0),
    )
