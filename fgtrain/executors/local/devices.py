"""What this host has to compute with, found without importing torch."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evaluation.launcher import allocated_nodes, launched, slurm_job
from fgtrain.errors import UserError
from fgtrain.gpu_faults import Seen, fault
from fgtrain.graph import Job
from fgtrain.own_gpu import VISIBLE, gpu_nodes, look_from_outside, visible_names
from fgtrain.recipe.devices_schema import Devices


@dataclass
class Host:
    """Cores and GPUs, and which of them are free."""

    cores: int
    gpus: tuple[str, ...]
    free_cores: int = field(init=False)
    free_gpus: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.free_cores, self.free_gpus = self.cores, list(self.gpus)

    def take(self, job: Job) -> tuple[int, tuple[str, ...]] | None:
        """(cores, GPUs) for the job's processes here; None where it must wait. An idle host takes any job.

        A process on a GPU counts for no core: those feed it. Where there are fewer cores than a job has processes, it
        runs alone, and so does one on several nodes: who has what of the others is Slurm's to know.
        """
        if job.gpu and self.gpus:
            here = job.processes // job.nodes if job.nodes == 1 else len(self.gpus)
            if len(self.free_gpus) < here:
                return None
            taken, self.free_gpus = tuple(self.free_gpus[:here]), self.free_gpus[here:]
            return 0, taken
        cores = min(job.processes, self.cores) if job.nodes == 1 else self.cores
        if self.free_cores < cores:
            return None
        self.free_cores -= cores
        return cores, ()

    def give_back(self, taken: tuple[int, tuple[str, ...]]) -> None:
        cores, gpus = taken
        self.free_cores += cores
        self.free_gpus = [gpu for gpu in self.gpus if gpu in {*self.free_gpus, *gpus}]


def this_host(environment: Mapping[str, str] = os.environ) -> Host:
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return Host(len(allowed), gpus(environment))


def gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """GPUs that jobs may use, as CUDA names them."""
    return visible_names(environment) if VISIBLE in environment else gpu_nodes()


def refuse_missing_nodes(devices: Devices, environment: Mapping[str, str] = os.environ) -> None:
    """UserError where a recipe asks for more nodes than this process has been given."""
    there = allocated_nodes(environment)
    if devices.nodes > there:
        given = f"this job of Slurm has {there}" if slurm_job(environment) else "this is one host, outside of Slurm"
        raise UserError(
            f"devices.nodes is {devices.nodes}, but {given}. Add --submit, start it in a job of {devices.nodes} nodes "
            f"(sbatch --nodes={devices.nodes} slurm/train.sbatch RECIPE), or write devices.nodes={there} "
            f"devices.count={-(-devices.world_size // there)}"
        )


def refuse_missing_gpus(devices: Devices, there: int, environment: Mapping[str, str] = os.environ) -> None:
    """UserError where a recipe asks for GPUs that this host does not have."""
    if devices.accelerator == "gpu" and not there:
        raise UserError(
            "devices.accelerator is gpu, but there is no GPU here. Write devices.accelerator=cpu, or start it where "
            "there is one (--submit on a cluster)"
        )
    if devices.accelerator != "cpu" and 0 < there < devices.count:
        here = launched(environment)
        if here.size > 1 and there == 1:
            raise UserError(
                f"{here.by} has bound one GPU to each of its {here.size} tasks, and this one, which starts the "
                f"processes, sees its own alone ({VISIBLE}={environment.get(VISIBLE, 'not set')}). Leave {here.by} "
                f"out, or let the first task see all: srun --gpus-per-node={devices.count} --gpu-bind=none"
            )
        raise UserError(f"devices.count is {devices.count}, but {there} GPUs are here. Write devices.count={there}")


def refuse_unusable_gpus(devices: Devices, look: Callable[[], Seen] = look_from_outside) -> None:
    """UserError where torch cannot use the GPUs that are here: its build, the driver, their kind, their number."""
    if devices.accelerator != "cpu" and (problem := fault(look(), devices, os.environ.get(VISIBLE))) is not None:
        raise UserError(problem)
