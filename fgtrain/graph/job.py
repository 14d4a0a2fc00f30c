"""A job: one piece of work with an identity, the processes it takes, and what must be done before it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fgtrain.errors import UserError
from fgtrain.jobs.spec import RECIPE, JobSpec, forget_faults, write_spec
from fgtrain.recipe import Recipe, dump_resolved

# Jobs that leave a result. The others make what these need, and are done only where one of these is not.
RESULTS = ("train", "merge", "best", "evaluate", "recover", "features", "judge", "report", "answer")


@dataclass(frozen=True)
class Job:
    """Jobs of one graph are equal work where their `identity` is equal: there is one of them, for all runs."""

    name: str  # <run>/<what>; <run> is the first of those that it serves
    kind: str  # of fgtrain.jobs.KINDS
    title: str  # for people
    identity: tuple
    folder: Path  # its own: job.json, log.txt, progress.json
    done: Callable[[], bool]
    recipe: Recipe | None = None
    arguments: dict[str, Any] = field(default_factory=dict)  # `runs` among them follow `runs`
    after: tuple[str, ...] = ()  # names
    processes: int = 1
    nodes: int = 1
    computes: bool = False  # on the recipe's devices: GPUs where it asks for them
    runs: tuple[str, ...] = ()  # that it is done for
    stage: str | None = None  # or checkpoint
    fingerprint: str | None = None  # of the stage that it trains

    @property
    def is_result(self) -> bool:
        return self.kind in RESULTS

    @property
    def gpu(self) -> bool:
        """May it take GPUs, where there are some?"""
        return self.computes and self.recipe is not None and self.recipe.devices.accelerator != "cpu"

    def write(self) -> None:
        """Leave on disk what its processes read, nothing of an earlier start beside it."""
        spec = JobSpec(
            name=self.name,
            kind=self.kind,
            title=self.title,
            processes=self.processes,
            nodes=self.nodes,
            arguments=self.arguments,
            recipe=self.recipe is not None,
        )
        forget_faults(self.folder)
        write_spec(self.folder, spec, dump_resolved(self.recipe) if self.recipe is not None else None)
        if self.recipe is None:
            (self.folder / RECIPE).unlink(missing_ok=True)


class Graph:
    """Jobs by name, in an order in which each stands behind those that it waits for."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._by_identity: dict[tuple, str] = {}

    def add(self, job: Job) -> str:
        """The name of the job that does this work: this one, or one that was there, which now serves its runs too."""
        if (name := self._by_identity.get(job.identity)) is not None:
            known = self.jobs[name]
            runs = tuple(dict.fromkeys((*known.runs, *job.runs)))
            after = known.after if job.is_result else tuple(dict.fromkeys((*known.after, *job.after)))
            told = {"runs": list(runs)} if "runs" in known.arguments else {}
            self.jobs[name] = replace(known, runs=runs, after=after, arguments=known.arguments | told)
            return name
        if job.name in self.jobs:
            raise UserError(f"two jobs would be named {job.name}; give the runs other names (name=...)")
        unknown = [name for name in job.after if name not in self.jobs]
        if unknown:
            raise ValueError(f"{job.name} waits for {', '.join(unknown)}, which is not there")
        self._by_identity[job.identity] = job.name
        self.jobs[job.name] = job
        return job.name

    def doing(self, *identities: tuple) -> tuple[str, ...]:
        """The names of the jobs that do such work, of those that are there."""
        return tuple(self._by_identity[one] for one in identities if one in self._by_identity)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, name: str) -> Job:
        return self.jobs[name]
