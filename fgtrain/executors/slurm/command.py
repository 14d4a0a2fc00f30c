"""`python -m fgtrain RECIPE ... --submit`, top to bottom: plan, jobs, scripts, sbatch, and what to do next."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data_builders.shared.files import atomic_write
from fgtrain.errors import UserError
from fgtrain.plan import Plan, print_plan
from fgtrain.recipe import Recipe, dump_resolved
from fgtrain.recipe.load import shown
from fgtrain.run import planned
from fgtrain.run.evaluate import evaluated
from fgtrain.run.folder import claimed, stage_done
from fgtrain.run.prepare import data_ready
from fgtrain.run.runnable import refuse_what_cannot_run
from fgtrain.run.story import start_store
from fgtrain.run.unchanged import refuse_changed_data

from .fits import refuse_misfits
from .jobs import EVALUATE, Job, Known, chain
from .profile import Cluster, load_cluster
from .queue import in_queue, record_path, recorded, require_slurm, sbatch, stages_in_queue, waits_for, write_records
from .script import LAUNCH, frozen_recipe, jobs_folder, launch_script, log_path, script, script_path


def show(recipes: Sequence[Recipe], named: str | None) -> None:
    """Print the plans, the jobs and their scripts; nothing is written or submitted."""
    cluster, profile = load_cluster(named)
    plans = _plans(recipes, cluster, profile)
    for plan in plans:
        print_plan(plan)
    jobs = chain(recipes, plans, cluster, _known(recipes, queued={}))
    for job in jobs:
        print(f"\n---- {shown(script_path(job))}")
        print(script(job, jobs, cluster, profile).rstrip())
    if jobs:
        print(f"\n---- {shown(jobs_folder(recipes[0]) / LAUNCH)} (what each of them reads)\n{launch_script()}")
    _print_jobs(jobs, None)
    print("Nothing was written or submitted. Without --plan, these jobs are." if jobs else _nothing(recipes))


def submit(recipes: Sequence[Recipe], named: str | None) -> None:
    """Write the scripts into the runs' folders and submit them, in a chain. Stages that are done are left out.

    UserError when the profile or a recipe is at fault, Slurm is not here, a run's jobs are in the queue already, or
    sbatch refuses one (told with what was submitted before it).
    """
    cluster, profile = load_cluster(named)
    require_slurm()
    plans = _plans(recipes, cluster, profile)
    with ExitStack() as held:
        for recipe in recipes:
            held.enter_context(_claimed(recipe))
        queue = in_queue()
        _refuse_running(recipes, queue)
        roots = {recipe.path(recipe.runs_root) for recipe in recipes}
        queued = {fingerprint: number for root in roots for fingerprint, number in stages_in_queue(root, queue).items()}
        jobs = chain(recipes, plans, cluster, _known(recipes, queued))
        if not jobs:
            print(_nothing(recipes))
            return
        _write(recipes, jobs, cluster, profile)
        ids = _submit_all(recipes, jobs, profile)
    _print_jobs(jobs, ids)
    _print_what_next(recipes, jobs, ids)


def _plans(recipes: Sequence[Recipe], cluster: Cluster, profile: Path) -> list[Plan]:
    for recipe in recipes:
        refuse_what_cannot_run(recipe)
    refuse_misfits(recipes, cluster, shown(profile))
    plans = [planned(recipe) for recipe in recipes]
    for recipe, plan in zip(recipes, plans, strict=True):
        refuse_changed_data(recipe, plan)
    return plans


def _known(recipes: Sequence[Recipe], queued: dict[str, int]) -> Known:
    starts = {recipe.name: start_store(recipe).name for recipe in recipes}

    def asked(recipe: Recipe, plan: Plan, checkpoint: str) -> bool:
        stage = next((stage for stage in plan.stages if stage.name == checkpoint), None)
        return evaluated(recipe, checkpoint, starts[recipe.name] if stage is None else stage.fingerprint)

    return Known(
        stage_done=stage_done,
        evaluated=asked,
        data_ready=data_ready,
        start_id=lambda recipe: starts[recipe.name],
        reported=lambda recipe: (recipe.run_folder / "report.html").exists() or not recipe.evaluation.tasks,
        queued=queued,
    )


def _claimed(recipe: Recipe) -> ExitStack:
    """The run's folder for the time of submitting. What cannot be written is the user's to mend."""
    stack = ExitStack()
    try:
        stack.enter_context(claimed(recipe, "submit"))
        jobs_folder(recipe).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stack.close()
        raise UserError(
            f"cannot write {error.filename or jobs_folder(recipe)}: {error.strerror}. Scripts and logs lie in the "
            f"run's folder; choose another one with runs_root=DIR"
        ) from None
    return stack


def _refuse_running(recipes: Sequence[Recipe], queue: set[int]) -> None:
    """Two chains of one run would train its stages twice."""
    for recipe in recipes:
        rows = [row for row in recorded(record_path(recipe)) if row["id"] in queue]
        if rows:
            ids = [row["id"] for row in rows]
            there = ", ".join("{id} {name}".format(**row) for row in rows)
            raise UserError(
                f"{recipe.name} has jobs in the queue: {there}. "
                f"They go on by themselves. Watch them: {_watch(ids)}. To begin anew: {_cancel(ids)}"
            )


def _write(recipes: Sequence[Recipe], jobs: Sequence[Job], cluster: Cluster, profile: Path) -> None:
    for recipe in recipes:
        with atomic_write(frozen_recipe(recipe)) as file:
            file.write(dump_resolved(recipe))
        with atomic_write(jobs_folder(recipe) / LAUNCH) as file:
            file.write(launch_script())
    for job in jobs:
        with atomic_write(script_path(job)) as file:
            file.write(script(job, list(jobs), cluster, profile))


def _submit_all(recipes: Sequence[Recipe], jobs: Sequence[Job], profile: Path) -> dict[str, int]:
    """Job ids by key. What is submitted is on record at every moment, also when the next one is refused."""
    ids: dict[str, int] = {}
    for number, job in enumerate(jobs, 1):
        try:
            ids[job.key] = sbatch(script_path(job), waits_for(job, ids))
        except UserError as error:
            if not ids:
                raise UserError(f"{error}. Nothing was submitted") from None
            before = ", ".join(f"{ids[one.key]} {one.name}" for one in jobs[: number - 1])
            raise UserError(
                f"{error}\nSubmitted before it, {number - 1} of {len(jobs)} jobs: {before}. They will run and do their "
                f"part, and nothing after them. Cancel them: {_cancel(ids.values())}"
            ) from None
        finally:
            write_records(recipes, jobs, ids, profile)
    return ids


def _print_jobs(jobs: Sequence[Job], ids: dict[str, int] | None) -> None:
    if not jobs:
        return
    table = Table(title="Jobs", title_justify="left", title_style="bold", header_style="")
    for column in (*(("job",) if ids else ()), "what", "for", "nodes x processes", "GPUs", "time", "waits for"):
        table.add_column(column, overflow="fold")
    for job in jobs:
        names = [str(ids[key]) if ids else key.partition("/")[2] for key in job.after]
        table.add_row(
            *((str(ids[job.key]),) if ids else ()),
            job.name,
            ", ".join(recipe.name for recipe in job.recipes),
            f"{job.nodes} x {job.tasks_per_node}",
            str(job.nodes * job.gpus_per_node),
            job.machine.time,
            ", ".join([*map(str, job.after_ids), *names]) or "-",
        )
    Console().print(table)


def _print_what_next(recipes: Sequence[Recipe], jobs: Sequence[Job], ids: dict[str, int]) -> None:
    first = jobs[0]
    print(f"scripts, logs, job ids: {', '.join(shown(jobs_folder(recipe)) for recipe in recipes)}")
    print(f"watch:   {_watch(ids.values())}")
    print(f"         tail -F {shlex.quote(shown(log_path(first, ids[first.key])))}")
    print(f"cancel:  {_cancel(ids.values())}")
    waiting = [recipe for recipe in recipes if any(recipe in job.recipes and job.kind == EVALUATE for job in jobs)]
    for recipe in waiting:
        print(f"report:  {shown(recipe.run_folder / 'report.html')}, when all are done")


def _nothing(recipes: Sequence[Recipe]) -> str:
    done = ", ".join(shown(recipe.run_folder) for recipe in recipes)
    return f"Nothing to submit: every stage is done and every checkpoint is asked. See {done}"


def _watch(ids: Sequence[int]) -> str:
    return "squeue --jobs " + ",".join(map(str, ids))


def _cancel(ids: Sequence[int]) -> str:
    return "scancel " + " ".join(map(str, ids))
