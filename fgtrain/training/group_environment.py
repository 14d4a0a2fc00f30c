"""What Lightning may know of the other processes: they are started, and found each other, before it runs."""

import os

from lightning.pytorch.plugins.environments import ClusterEnvironment

from evaluation.launcher import Launched, launched


class GroupEnvironment(ClusterEnvironment):
    """Takes this process's place among the others from `evaluation.launcher`, whoever started them.

    Lightning's own environments would save and requeue under Slurm by themselves, or start processes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.here: Launched = launched()

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return os.environ.get("MASTER_ADDR", "127.0.0.1")

    @property
    def main_port(self) -> int:
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        return False  # it is given, never found

    def world_size(self) -> int:
        return self.here.size

    def set_world_size(self, size: int) -> None:
        if size != self.here.size:
            raise RuntimeError(f"Lightning wants {size} processes, {self.here.size} are there")

    def global_rank(self) -> int:
        return self.here.rank

    def set_global_rank(self, rank: int) -> None:
        if rank != self.here.rank:
            raise RuntimeError(f"Lightning takes process {self.here.rank} for {rank}")

    def local_rank(self) -> int:
        return self.here.local_rank

    def node_rank(self) -> int:
        return self.here.rank * self.here.nodes // self.here.size
