"""Which of several processes this is, as whoever started them says. The only file that reads a launcher's variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from data_builders.shared.errors import UserError

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES")


@dataclass(frozen=True)
class Launched:
    """This process among those that one launcher has started; alone without one."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on this host
    nodes: int = 1
    by: str | None = None  # "torchrun", "srun", or "a launcher" that sets torchrun's variables
    variables: tuple[str, ...] = ()  # NAME=value, those that say so
    known: bool = False  # it has surely started all of them; the variables are not left over from somebody

    @property
    def first(self) -> bool:
        """Is this the process of rank 0?"""
        return self.rank == 0


def launched(environment: Mapping[str, str] = os.environ) -> Launched:
    """As torchrun's variables say, else srun's; alone without them.

    torchrun's come first: in an interactive shell of Slurm every process sees SLURM_PROCID=0, whoever started it. And
    not SLURM_NTASKS: a batch script sees it too, where no other process has been started. UserError where variables
    contradict each other.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        rank, size = _numbers(environment, "RANK", "WORLD_SIZE")
        local, here = _number(environment, "LOCAL_RANK", 0), _number(environment, "LOCAL_WORLD_SIZE", size)
        known = "TORCHELASTIC_RUN_ID" in environment
        by = "torchrun" if known else "a launcher"
        return Launched(rank, size, local, -(-size // max(here, 1)), by, _shown(environment, TORCHRUN), known)
    if "SLURM_PROCID" in environment and _number(environment, "SLURM_STEP_NUM_TASKS", 1) > 1:
        rank, size = _numbers(environment, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
        nodes = _number(environment, "SLURM_STEP_NUM_NODES", _number(environment, "SLURM_NNODES", 1))
        local = _number(environment, "SLURM_LOCALID", 0)
        return Launched(rank, size, local, nodes, "srun", _shown(environment, SRUN), True)
    return Launched()


def stray(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """NAME=value of a rank without a number of processes: left behind by a container, a notebook, another launcher."""
    if "WORLD_SIZE" in environment and "RANK" in environment:
        return ()
    return _shown(environment, ("RANK", "LOCAL_RANK"))


def tasks_per_node(environment: Mapping[str, str] = os.environ) -> int | None:
    """What srun was told of its tasks per node; None where it was not."""
    text = environment.get("SLURM_NTASKS_PER_NODE")
    return int(text) if text is not None and text.isdigit() else None


def slurm_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """The Slurm job that this process runs in."""
    return environment.get("SLURM_JOB_ID")


def allocated_nodes(environment: Mapping[str, str] = os.environ) -> int:
    """Nodes of the Slurm job that this process runs in; 1 outside of one."""
    return _number(environment, "SLURM_NNODES", _number(environment, "SLURM_JOB_NUM_NODES", 1))


def allocated_hosts(environment: Mapping[str, str] = os.environ) -> str:
    """Names of the nodes of the Slurm job, as Slurm shortens them; empty outside of one."""
    return environment.get("SLURM_JOB_NODELIST", "")


def cores_per_task(environment: Mapping[str, str] = os.environ) -> int | None:
    """What the Slurm job gives each process; None where nobody said."""
    return _number(environment, "SLURM_CPUS_PER_TASK", 0) or None


def main_address(environment: Mapping[str, str] = os.environ) -> tuple[str, int] | None:
    """(host, port) where the first process listens; None where nobody says."""
    if "MASTER_ADDR" not in environment or "MASTER_PORT" not in environment:
        return None
    return environment["MASTER_ADDR"], _number(environment, "MASTER_PORT", 0)


def _numbers(environment: Mapping[str, str], rank: str, size: str) -> tuple[int, int]:
    try:
        numbers = int(environment[rank]), int(environment[size])
    except ValueError:
        numbers = -1, 0
    if not 0 <= numbers[0] < numbers[1]:
        raise UserError(f"{rank}={environment[rank]} and {size}={environment[size]} do not fit together")
    return numbers


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{name}={text} in the environment is no number. Unset it: unset {name}") from None


def _shown(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}={environment[name]}" for name in names if name in environment)
