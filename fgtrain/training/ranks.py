"""Which of a run's processes this is, and how Lightning finds the others."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.pytorch.plugins.environments import ClusterEnvironment


def rank() -> int:
    """This process's rank, also before a process group exists."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0"))))


def cluster_environments() -> "list[ClusterEnvironment]":
    """Plugins for the Trainer. Under srun Lightning would save and requeue by itself; both are done elsewhere."""
    # Not at the top: `rank` is asked by a process that was stopped while it imported the large libraries.
    from lightning.pytorch.plugins.environments import SLURMEnvironment

    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
