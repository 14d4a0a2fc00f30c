"""What is left of a graph: results that are not there, and what they need."""

from dataclasses import replace

from .job import Graph, Job

# Results that nothing but their own absence calls for; the others tell of them.
WORK = ("train", "merge", "best", "evaluate", "recover", "features", "judge")


def todo(graph: Graph) -> list[Job]:
    """The jobs to carry out, in order; each waits only for others among them.

    A job that leaves no result (building, preparing, encoding) is needed only by one that does, and is left out where
    it is done as well. A report is written anew when anything before it is.
    """
    results = _open_results(graph)
    needed: dict[str, Job] = {}
    for job in reversed(list(graph)):
        if job.is_result:
            wanted = job.name in results
        else:
            wanted = any(job.name in later.after for later in needed.values()) and not job.done()
        if wanted:
            needed[job.name] = job
    return [replace(job, after=_open(graph, job, needed)) for job in graph if job.name in needed]


def _open_results(graph: Graph) -> set[str]:
    found: set[str] = set()
    for job in graph:
        if job.is_result and (not job.done() or (job.kind not in WORK and not found.isdisjoint(job.after))):
            found.add(job.name)
    return found


def _open(graph: Graph, job: Job, needed: dict[str, Job]) -> tuple[str, ...]:
    """What the job still waits for; behind one that is left out, what that one waited for."""
    found: dict[str, None] = {}
    for name in job.after:
        if name in needed:
            found[name] = None
        elif not graph[name].is_result:
            found.update(dict.fromkeys(_open(graph, graph[name], needed)))
    return tuple(found)
