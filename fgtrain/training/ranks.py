"""Which of a run's processes this is, and how Lightning finds the others."""

import os

from lightning.pytorch.plugins.environments import ClusterEnvironment, SLURMEnvironment


def rank() -> int:
    """This process's rank, also before a process group exists."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0"))))


def cluster_environments() -> list[ClusterEnvironment]:
    """Plugins for the Trainer. Under srun Lightning would save and requeue by itself; both are done elsewhere."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
