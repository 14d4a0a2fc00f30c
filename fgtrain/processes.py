"""The processes of a job: how they find each other, agree, and end together."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from evaluation.launcher import launched, main_address
from fgtrain.errors import SharedUserError, TrainingFailedError, UserError
from fgtrain.misfit import number_of
from fgtrain.own_gpu import own_gpu, refuse_shared_gpus, uses_gpu
from fgtrain.recipe.devices_schema import Devices

LISTENER = "FGTRAIN_LISTENER"  # number of an open socket on which the first process of a group listens
BUSY = "held"
WORD_SECONDS = 30.0  # between two words of the first process while the others wait for a lock with it


class Group:
    """The processes that do one job together. Of one process, it needs no other library."""

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank

    @property
    def first(self) -> bool:
        return self.rank == 0

    def agree(self, find: Callable[[], Any]) -> Any:
        """What the first process finds, for all: it alone looks. A UserError of it is raised by all (SharedUserError).

        Every process calls it, at the same place. What is found must be plain data.
        """
        if self.size == 1:
            return find()
        found: list[Any] = [None, None]
        if self.first:
            try:
                found[0] = find()
            except UserError as error:
                found[1] = str(error)
        import torch.distributed as dist

        dist.broadcast_object_list(found, src=0)
        if found[1] is not None:
            raise SharedUserError(found[1])
        return found[0]

    def together(self, good: bool) -> bool:
        """Have all processes come here, each with True?"""
        return all(self.gather(good))

    def gather(self, value: Any) -> list[Any]:
        """What every process brings, by rank, for all. Plain data."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    @contextmanager
    def locked(self, path: Path, waiting: str) -> Iterator[None]:
        """All processes inside while the first one holds the lock. `waiting`: what it prints once if it has to wait.

        The others hear from it in between, so that the wait for a lock may take hours and no collective does.
        """
        if self.size == 1:
            with locked(path, waiting=waiting):
                yield
            return
        held: ExitStack | None = None
        told = False
        while True:
            if self.first:
                held = _within(path, WORD_SECONDS if told else 0.0)
            if self.agree(lambda held=held: held is not None):
                break
            if self.first and not told:
                say(waiting)
            told = True
        try:
            yield
        finally:
            if held is not None:
                held.close()


def _within(path: Path, seconds: float) -> ExitStack | None:
    """The lock, held until it is closed, as soon as it is free; None after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        held = ExitStack()
        try:
            held.enter_context(locked(path, busy=BUSY))
            return held
        except UserError as error:
            if str(error) != BUSY:
                raise
        if time.monotonic() >= end:
            return None
        time.sleep(1)


def join(processes: int, devices: Devices | None, environment: Mapping[str, str] = os.environ) -> Group:
    """This process's group, whose processes can talk to each other from here on.

    `processes`: that the job is for. UserError where another number was started, TrainingFailedError where they do not
    meet. Libraries that read variables of their own find torchrun's.
    """
    here = launched(environment)
    if here.size != processes:
        told = ", ".join(here.variables)
        by = f"{here.by} has started {here.size} ({told})" if here.by else "nobody has started them"
        raise UserError(f"this job is for {number_of(processes)}, but {by}")
    group = Group(here.rank, here.size, here.local_rank)
    if group.size == 1:
        return group
    import torch
    import torch.distributed as dist

    address = main_address(environment)
    if address is None:
        raise UserError(f"{here.by} has started {here.size} processes, but MASTER_ADDR and MASTER_PORT are not set")
    bound = timedelta(minutes=devices.timeout_minutes) if devices is not None else timedelta(minutes=30)
    listener = environment.get(LISTENER) if group.first else None
    try:
        store = dist.TCPStore(
            *address,
            world_size=group.size,
            is_master=group.first,
            timeout=bound,
            master_listen_fd=int(listener) if listener is not None else None,
        )
    except dist.DistError as error:
        raise TrainingFailedError(_no_meeting(group, *address, error)) from None
    gpu = devices is not None and uses_gpu(devices)
    if gpu:
        torch.cuda.set_device(own_gpu(group.local_rank))
    backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
    dist.init_process_group(backend, store=store, rank=group.rank, world_size=group.size, timeout=bound)
    if gpu:
        refuse_shared_gpus(group.size, group.local_rank)
    os.environ |= group_environment(group.rank, group.size, group.local_rank, group.size // here.nodes, *address)
    return group


def _no_meeting(group: Group, host: str, port: int, error: Exception) -> str:
    if group.first and "EADDRINUSE" in str(error):
        return (
            f"port {port} on {host} is in use by somebody else, and the {group.size} processes of this job would meet "
            f"there (MASTER_PORT). Start it again: another start takes another port"
        )
    return f"process {group.rank} of {group.size} does not reach the first one at {host}, port {port}: {error}"


def leave(status: int) -> NoReturn:
    """End this process at once.

    Not by the interpreter's way out: threads that reach other processes may wait there for one that has gone, and
    libraries may abort.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)


def group_environment(rank: int, size: int, local_rank: int, local_size: int, host: str, port: int) -> dict[str, str]:
    """The variables by which a process of a group is told which one it is."""
    numbers = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": local_rank, "LOCAL_WORLD_SIZE": local_size}
    return {**{name: str(number) for name, number in numbers.items()}, "MASTER_ADDR": host, "MASTER_PORT": str(port)}


def without_launcher(environment: Mapping[str, str], names: Sequence[str] = ()) -> dict[str, str]:
    """The environment for a process that is started from here: nothing in it of who started this one."""
    from evaluation.launcher import SRUN, TORCHRUN

    gone = {*TORCHRUN, *SRUN, LISTENER, "MASTER_ADDR", "MASTER_PORT", *names}
    return {name: value for name, value in environment.items() if name not in gone}
