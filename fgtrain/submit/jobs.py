"""From recipes to a chain of jobs: prepare, one per stage, one per checkpoint to ask beside them, the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe

from .profile import Cluster, Machine

PREPARE, EVALUATE, REPORT = "prepare", "evaluate", "report"
TRAIN = "train"


@dataclass(frozen=True)
class Job:
    """One job. `key` names it among all that are submitted together; its script lies with the first of its recipes."""

    key: str  # <run>/<name>
    name: str  # as a file name: align, evaluate-align
    kind: str  # a section of the profile, or train
    recipes: tuple[Recipe, ...]  # what it is done for
    option: tuple[str, ...]  # of python -m fgtrain
    after: tuple[str, ...]  # keys of the jobs that must have ended well before it
    nodes: int
    tasks_per_node: int
    gpus_per_node: int
    machine: Machine
    after_ids: tuple[int, ...] = ()  # jobs submitted before, by whomever
    fingerprint: str | None = None  # of the stage that it trains

    @property
    def run(self) -> str:
        return self.recipes[0].name


@dataclass(frozen=True)
class Known:
    """What need not be done again: answered from the disk and from the queue."""

    stage_done: Callable[[Recipe, str], bool]  # (recipe, fingerprint)
    evaluated: Callable[[Recipe, Plan, str], bool]  # (recipe, plan, checkpoint)
    start_id: Callable[[Recipe], str]  # equal for recipes whose untrained models are equal
    data_ready: Callable[[Recipe], bool]
    reported: Callable[[Recipe], bool]
    queued: dict[str, int]  # fingerprint -> job that trains this stage already


def chain(recipes: Sequence[Recipe], plans: Sequence[Plan], cluster: Cluster, known: Known) -> list[Job]:
    """The jobs in an order in which they can be submitted; empty when nothing is left to do.

    A stage that several recipes share is trained once, and its checkpoint asked once, for all of them.
    """
    made = _Chain(cluster, recipes, known)
    for recipe, plan in zip(recipes, plans, strict=True):
        before: str | int | None = None  # what the next stage waits for
        ends: list[str | int] = []
        if _asks(recipe, START) and not known.evaluated(recipe, plan, START):
            ends.append(made.evaluation(recipe, START, known.start_id(recipe), None))
        for stage in plan.stages:
            if known.stage_done(recipe, stage.fingerprint):
                before = None
            elif stage.fingerprint in known.queued:
                before = known.queued[stage.fingerprint]
            else:
                before = made.stage(recipe, stage.name, stage.fingerprint, before)
            if _asks(recipe, stage.name) and not known.evaluated(recipe, plan, stage.name):
                ends.append(made.evaluation(recipe, stage.name, stage.fingerprint, before))
        if before is not None:
            ends.append(before)
        if ends or not known.reported(recipe):
            made.report(recipe, ends)
    return made.all()


def _asks(recipe: Recipe, checkpoint: str) -> bool:
    return bool(recipe.evaluation.tasks) and checkpoint in recipe.evaluation.at


class _Chain:
    def __init__(self, cluster: Cluster, recipes: Sequence[Recipe], known: Known) -> None:
        self.cluster, self.recipes, self.known = cluster, recipes, known
        self.jobs: dict[str, Job] = {}  # by key
        self.shared: dict[tuple[str, str], str] = {}  # (kind, fingerprint) -> key

    def stage(self, recipe: Recipe, name: str, fingerprint: str, before: str | int | None) -> str:
        devices = recipe.devices
        gpus = 0 if devices.accelerator == "cpu" or not self.cluster.gpus_per_node else devices.count
        how = {"nodes": devices.nodes, "tasks_per_node": devices.count, "gpus_per_node": gpus}
        return self._shared(TRAIN, recipe, name, ("--only", name), fingerprint, before, **how)

    def evaluation(self, recipe: Recipe, name: str, fingerprint: str, before: str | int | None) -> str:
        """On one node: as many processes as the stage has there, or as there are GPUs for this kind of job."""
        tasks, gpus = recipe.devices.count, self.cluster.machine(EVALUATE).gpus_per_node
        if recipe.devices.accelerator == "cpu" or not gpus:
            gpus = 0
        else:
            tasks = gpus = min(tasks, gpus)
        how = {"nodes": 1, "tasks_per_node": tasks, "gpus_per_node": gpus}
        return self._shared(EVALUATE, recipe, f"evaluate-{name}", ("--evaluate", name), fingerprint, before, **how)

    def _shared(
        self,
        kind: str,
        recipe: Recipe,
        name: str,
        option: tuple,
        fingerprint: str,
        before: str | int | None,
        **how: int,
    ) -> str:
        """The key of the job that does this work, made or made to serve this recipe too."""
        if (key := self.shared.get((kind, fingerprint))) is not None:
            if kind == EVALUATE:
                self.jobs[key] = replace(self.jobs[key], recipes=(*self.jobs[key].recipes, recipe))
            return key
        key = f"{recipe.name}/{name}"
        self.shared[kind, fingerprint] = key
        self._add(key, name, kind, (recipe,), option, [before], fingerprint=fingerprint, **how)
        return key

    def report(self, recipe: Recipe, ends: Sequence[str | int]) -> None:
        self._add(f"{recipe.name}/report", "report", REPORT, (recipe,), ("--report",), ends, **self._small(REPORT))

    def all(self) -> list[Job]:
        """With the preparation before, where there is something to build, and the comparison of several recipes after.

        The data is built by a job of its own: a login node is not the place for it, and the nodes with GPUs would wait.
        """
        if not self.jobs:
            return []
        asking = tuple(recipe for recipe in self.recipes if recipe.evaluation.tasks)
        if len(asking) > 1:
            ends = [job.key for job in self.jobs.values() if job.kind == REPORT]
            key = f"{asking[0].name}/compare"
            self._add(key, "compare", REPORT, asking, ("--report",), ends, **self._small(REPORT))
        # Slurm starts first what was submitted first: where GPUs are few, stages go before questions.
        jobs = sorted(self.jobs.values(), key=lambda job: (TRAIN, EVALUATE, REPORT).index(job.kind))
        needing = tuple(
            recipe
            for recipe in self.recipes
            if any(recipe in job.recipes for job in jobs if job.kind != REPORT) and not self.known.data_ready(recipe)
        )
        if not needing:
            return jobs
        key = f"{needing[0].name}/{PREPARE}"
        self._add(key, PREPARE, PREPARE, needing, ("--prepare",), [], **self._small(PREPARE))
        waiting = [replace(job, after=(key,)) if not job.after and job.kind != REPORT else job for job in jobs]
        return [self.jobs[key], *waiting]

    def _small(self, kind: str) -> dict[str, int]:
        """One process. It takes GPUs only where the profile's own section says so: some partitions insist on one."""
        section = getattr(self.cluster, kind)
        gpus = section.gpus_per_node if "gpus_per_node" in section.model_fields_set else 0
        return {"nodes": 1, "tasks_per_node": 1, "gpus_per_node": gpus}

    def _add(
        self,
        key: str,
        name: str,
        kind: str,
        recipes: tuple[Recipe, ...],
        option: tuple[str, ...],
        after: Sequence[str | int | None],
        fingerprint: str | None = None,
        **how: int,
    ) -> None:
        keys = tuple(dict.fromkeys(one for one in after if isinstance(one, str)))
        ids = tuple(dict.fromkeys(one for one in after if isinstance(one, int)))
        machine = self.cluster.machine(kind)
        self.jobs[key] = Job(
            key, name, kind, recipes, option, keys, machine=machine, after_ids=ids, fingerprint=fingerprint, **how
        )
