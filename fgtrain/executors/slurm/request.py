"""What a job asks of Slurm: nodes, processes, GPUs, time, by the profile's section for its kind."""

from dataclasses import dataclass

from fgtrain.graph import Job

from .profile import Cluster, Machine

SECTIONS = {
    "train": "train",
    "recover": "train",
    "encode": "evaluate",
    "replay": "evaluate",
    "evaluate": "evaluate",
    "features": "evaluate",
}
SECTIONS |= {"report": "report", "answer": "report"}
PREPARE = "prepare"  # section of every other kind


@dataclass(frozen=True)
class Request:
    """`machine`: the profile's word for jobs of this kind."""

    nodes: int
    tasks_per_node: int
    gpus_per_node: int
    machine: Machine


def section_of(job: Job) -> str:
    return SECTIONS.get(job.kind, PREPARE)


def request(job: Job, cluster: Cluster) -> Request:
    """Jobs that compute take all devices of their recipe, a process each. Others are one process, and take GPUs only
    where the profile's own section says so: some partitions insist on one."""
    section = section_of(job)
    machine, tasks = cluster.machine(section), job.processes // job.nodes
    if job.computes:
        gpus = tasks if job.gpu and machine.gpus_per_node else 0
    else:
        own = getattr(cluster, section)
        gpus = own.gpus_per_node if "gpus_per_node" in own.model_fields_set else 0
    return Request(job.nodes, tasks, gpus, machine)
