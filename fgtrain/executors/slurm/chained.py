"""Jobs of the graph as jobs of Slurm: one each, but for builds that only wait for one another."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fgtrain.graph import Job

SMALL = ("build", "sample_text")  # a queue's waiting costs more than they do
LATE = {"evaluate": 1, "report": 2, "answer": 3}  # nothing else waits for these


@dataclass(frozen=True)
class SlurmJob:
    """What one script does: jobs one after the other. Script and log lie in the folder of the first one."""

    jobs: tuple[Job, ...]
    after: tuple[str, ...]  # names of jobs in other scripts

    @property
    def first(self) -> Job:
        return self.jobs[0]

    @property
    def title(self) -> str:
        return ", then ".join(job.title for job in self.jobs)

    @property
    def name(self) -> str:
        """<run>/<what>, and what else."""
        return " + ".join([self.first.name, *(job.name.partition("/")[2] for job in self.jobs[1:])])

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run for job in self.jobs for run in job.runs))


def chained(jobs: Sequence[Job]) -> list[SlurmJob]:
    """In an order in which they can be submitted. Slurm starts first what was submitted first: where devices are few,
    stages go before questions. A small job joins the one that it waits for, where that is small too and nothing else
    waits for it."""
    waiting = Counter(name for job in jobs for name in dict.fromkeys(job.after))
    found: dict[str, list[Job]] = {}  # by the name of its last job
    for job in sorted(jobs, key=lambda job: LATE.get(job.kind, 0)):
        before = found.get(job.after[0]) if len(job.after) == 1 and waiting[job.after[0]] == 1 else None
        if before is not None and job.kind in SMALL and before[-1].kind in SMALL:
            del found[job.after[0]]
            found[job.name] = [*before, job]
        else:
            found[job.name] = [job]
    return [SlurmJob(tuple(chain), tuple(dict.fromkeys(chain[0].after))) for chain in found.values()]
