"""A job's processes on several nodes of the Slurm job that this process runs in, as one: a step of srun's."""

import errno
import secrets
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from evaluation.launcher import allocated_hosts, cores_per_task
from fgtrain.errors import UserError

PORTS = range(15000, 30000)  # below those that systems give to connections


class Step:
    """srun, which starts the processes, passes signals on, and ends when all of them have."""

    lost = ""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path, leash: int) -> None:
        """`leash`: srun hands it to every process as its standard input, which ends when the starter is gone."""
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                words,
                stdin=leash,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    def poll(self) -> int | None:
        return self.process.poll()

    def signal(self, number: int) -> None:
        """To all processes. SIGTERM is what ends a step at once, so to be asked to stop is SIGUSR1."""
        if self.poll() is None:
            self.process.send_signal(signal.SIGTERM if number == signal.SIGKILL else signal.SIGUSR1)


def step_words(nodes: int, processes: int) -> list[str]:
    """srun with its options, for so many processes on each node.

    --kill-on-bad-exit: when one fails, the others would wait for it. --wait=0: the first may have work left when the
    others are done. --overlap: within an interactive shell of Slurm the shell has all of the job's devices. srun does
    not take cpus-per-task from the job by itself.
    """
    cores = cores_per_task()
    per_task = [f"--cpus-per-task={cores}"] if cores is not None else []
    shape = [f"--nodes={nodes}", f"--ntasks={nodes * processes}", f"--ntasks-per-node={processes}", *per_task]
    return ["srun", *shape, "--kill-on-bad-exit=1", "--wait=0", "--overlap", "--export=ALL"]


def free_port() -> int:
    """Where nobody listens here. Not one that the system gives to connections: the processes listen there only seconds
    later, when it may be somebody's."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        try:
            with socket.create_server(("", port)):
                return port
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


def first_node() -> str:
    """Name of the first node of the Slurm job, where the first process will run."""
    listed = allocated_hosts()
    done = subprocess.run(["scontrol", "show", "hostnames", listed], capture_output=True, text=True)
    names = done.stdout.split()
    if done.returncode != 0 or not names:
        raise UserError(f"scontrol does not say which nodes {listed!r} are: {done.stderr.strip() or done.returncode}")
    return names[0]
