"""Host memory of a node: while models load, while stages train, while a checkpoint is written. Pure.

    always     processes x (program + workers x worker)
    offloaded  what devices.offload keeps on the host: AdamW's states (optimizer), the weights as well (parameters)
    loading    always + processes x one weights file, whose tensors go straight to where they belong
    training   always + offloaded
    saving     training + one weights file, and the whole model in fp32 where it lay in shards

On CPUs the devices' memory is the host's, so each process adds its own.
"""

from fgtrain.recipe import Devices

from .arithmetic import BYTES_FP32, offloaded_bytes
from .schema import HostPlan

PROGRAM = 3 << 30  # of a process: libraries, the GPU's context, staging buffers (assumed)
CPU_PROGRAM = 1 << 30  # without a GPU
WORKER = 768 << 20  # of a loader process: a few decoded batches ahead (assumed)
WEIGHTS_FILE = 5_000_000_000  # largest file that checkpoints are cut into


def host_plan(devices: Devices, parameters: int, held: tuple[int, int, int], device_bytes: int) -> HostPlan:
    """Bytes on one node. `held`: weights, gradients and states of a device; `device_bytes`: its peak, activations
    included.
    """
    here, on_cpu = devices.count, devices.accelerator == "cpu"
    always = here * ((CPU_PROGRAM if on_cpu else PROGRAM) + devices.workers * WORKER)
    whole = parameters * BYTES_FP32
    file = min(whole, WEIGHTS_FILE)
    kept = here * (device_bytes if on_cpu else sum(offloaded_bytes(held, devices.offload)))
    weights = here * (whole if on_cpu else offloaded_bytes(held, devices.offload)[0])
    sharded = devices.strategy == "fsdp" or devices.strategy.startswith("deepspeed")
    training = always + kept
    return HostPlan(
        loading=always + here * file + weights,
        training=training,
        saving=training + file + (whole if sharded else 0),
    )
