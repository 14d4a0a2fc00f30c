"""Starts a job's processes: on this host as programs of their own, or as forks of one that has imported the libraries;
over several nodes, within a job of Slurm, through srun.

Forks save six seconds of CPU a process. They are for jobs on CPUs: CUDA does not survive a fork.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fgtrain.graph import Job
from fgtrain.jobs import imports_torch
from fgtrain.jobs.spec import LEASH, LOG, RANK_LOG, STOPPED_NOTE
from fgtrain.own_gpu import VISIBLE
from fgtrain.processes import LISTENER, group_environment, without_launcher

from .forkserver import ForkServer, send_to
from .step import Step, first_node, free_port, step_words

LOOPBACK = "127.0.0.1"


class Process(Protocol):
    """A process that was started, or all of a job's as one."""

    lost: str  # why nobody can tell how it ended; empty where somebody can

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), None while it runs."""

    def signal(self, number: int) -> None:
        """To the process; SIGKILL to all that it has started, too."""


class Program:
    """A process that is a program of its own."""

    lost = ""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path, inherited: list[int]) -> None:
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=inherited,
                start_new_session=True,  # Ctrl-C is for the process that started it, which asks it to stop
            )

    def poll(self) -> int | None:
        return self.process.poll()

    def signal(self, number: int) -> None:
        if self.poll() is None:
            send_to(self.process.pid, number)


class Starter:
    """Starts processes, all of which end when this one does, however it ends."""

    def __init__(self) -> None:
        # Nobody ever writes into it: it is closed when this process is gone, and whoever reads it knows then.
        self.leash, self._held = os.pipe()
        self.servers: dict[tuple, ForkServer] = {}

    def start(self, job: Job, gpus: tuple[str, ...]) -> list[Process]:
        """All processes of the job, in the order of their ranks."""
        count = job.processes
        if job.nodes > 1:
            return [self._step(job)]
        if count == 1:
            return [self._process(job, self._environment(job, gpus), job.folder / LOG, None)]
        with socket.create_server((LOOPBACK, 0), backlog=128) as listener:
            port = listener.getsockname()[1]
            found = []
            for rank in range(count):
                numbers = group_environment(rank, count, rank, count, LOOPBACK, port)
                log = job.folder / (RANK_LOG.format(rank) if rank else LOG)
                environment = self._environment(job, gpus) | numbers
                found.append(self._process(job, environment, log, listener if rank == 0 else None))
        return found

    def _environment(self, job: Job, gpus: tuple[str, ...]) -> dict[str, str]:
        added = {LEASH: str(self.leash), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        if gpus:
            added[VISIBLE] = ",".join(gpus)
        elif job.recipe is not None and not job.gpu:
            added["DS_ACCELERATOR"] = "cpu"  # read when DeepSpeed is imported, which transformers does
        if job.recipe is not None and not job.recipe.network:
            added |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        # The note for a job's script is this process's to leave: it knows how all jobs have ended.
        return without_launcher(os.environ, [STOPPED_NOTE]) | added | {"PYTHONUNBUFFERED": "1"}

    def _step(self, job: Job) -> "Step":
        """All processes of the job, on its nodes."""
        words = step_words(job.nodes, job.processes // job.nodes)
        meet = {"MASTER_ADDR": first_node(), "MASTER_PORT": str(free_port()), LEASH: "0"}
        words += [sys.executable, "-m", "fgtrain.jobs", str(job.folder.absolute())]
        return Step(words, self._environment(job, ()) | meet, job.folder / LOG, self.leash)

    def _process(self, job: Job, environment: Mapping[str, str], log: Path, listener: socket.socket | None) -> Process:
        if imports_torch(job.kind) and not (job.gpu and VISIBLE in environment):
            return self._server(environment).fork(job.folder, environment, log, listener)
        inherited = [self.leash]
        if listener is not None:
            inherited.append(listener.fileno())
            environment = {**environment, LISTENER: str(listener.fileno())}
        return Program([sys.executable, "-m", "fgtrain.jobs", str(job.folder)], environment, log, inherited)

    def _server(self, environment: Mapping[str, str]) -> ForkServer:
        """The server whose libraries were imported under the same variables."""
        key = tuple(environment.get(name) for name in ForkServer.READ_WHEN_IMPORTED)
        if key not in self.servers or not self.servers[key].alive:
            self.servers[key] = ForkServer(environment, self.leash)
        return self.servers[key]

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
        os.close(self.leash)
        os.close(self._held)
