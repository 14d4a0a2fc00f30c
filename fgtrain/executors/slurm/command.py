"""`python -m fgtrain RECIPE ... --submit`, top to bottom: jobs, scripts, sbatch, and what to do next."""

import shlex
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.table import Table

from data_builders.shared.console import SafeConsole
from data_builders.shared.files import atomic_write
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.graph.begin import begin
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study

from .chained import SlurmJob, chained
from .fits import refuse_misfits
from .in_queue import found_in_queue
from .profile import Cluster, load_cluster
from .queue import note_submitted, require_slurm, sbatch
from .request import request
from .script import LAUNCH, folder_of, launch_script, log_path, script, script_path

MANY = 40  # jobs that are not listed one by one


def show(study: Study, named: str | None) -> None:
    """Print the jobs and their scripts; nothing is written or submitted, and Slurm is not asked."""
    cluster, profile = _profile(study, named)
    left = begin(study, write=False).left
    scripts = chained(left)
    for one in scripts:
        say(f"\n---- {shown(script_path(one.first))}")
        say(script(one, _waiting(one, scripts), cluster, profile).rstrip())
    if scripts:
        say(f"\n---- {LAUNCH} (a copy lies beside each of them)\n{launch_script()}")
    _print_jobs(scripts, cluster, None)
    say("Nothing was written or submitted. Without --plan, these jobs are." if scripts else _nothing(study))


def submit(study: Study, named: str | None) -> None:
    """Write a script for every job that is left into its folder, and submit it. What somebody has in the queue already
    is waited for instead.

    UserError when the profile or a recipe is at fault, Slurm is not here, a job in the queue has other work to do in
    the same folder, or sbatch refuses one (told with what was submitted before it).
    """
    cluster, profile = _profile(study, named)
    require_slurm()
    roots = sorted({one.recipe.path(one.recipe.runs_root).absolute() for one in study.recipes})
    with ExitStack() as held:
        for root in roots:
            held.enter_context(_submitting(root))
        left = begin(study).left
        ids = found_in_queue(left, roots)
        there = set(ids.values())
        scripts = chained([job for job in left if job.name not in ids])
        _write(scripts, cluster, profile)
        _submit_all(scripts, ids, profile)
    if there:
        say(f"in the queue already, and waited for: {_some(there)}")
    if scripts:
        _print_jobs(scripts, cluster, ids)
        _print_what_next(scripts, ids)
    else:
        say(f"Nothing to submit. Watch what is there: {_watch(there)}" if there else _nothing(study))


def _profile(study: Study, named: str | None) -> tuple[Cluster, Path]:
    cluster, profile = load_cluster(named)
    refuse_misfits([one.recipe for one in study.recipes], cluster, shown(profile))
    return cluster, profile


def _submitting(root: Path) -> ExitStack:
    """One at a time, so that each sees what the others have put into the queue."""
    stack = ExitStack()
    try:
        waiting = f"another --submit is at work in {shown(root)}; waiting for it"
        stack.enter_context(locked(root / ".submit.lock", waiting=waiting))
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or root}: {error.strerror}. Scripts and logs lie in the runs' folders; "
            f"choose another place with runs_root=DIR"
        ) from None
    return stack


def _write(scripts: Sequence[SlurmJob], cluster: Cluster, profile: Path) -> None:
    texts = [script(one, _waiting(one, scripts), cluster, profile) for one in scripts]
    for one, text in zip(scripts, texts, strict=True):
        for job in one.jobs:
            job.write()
        with atomic_write(folder_of(one.first) / LAUNCH) as file:
            file.write(launch_script())
        with atomic_write(script_path(one.first)) as file:
            file.write(text)


def _waiting(one: SlurmJob, scripts: Sequence[SlurmJob]) -> list[str]:
    """Titles of what waits for the script's jobs, directly or not."""
    names = {job.name for job in one.jobs}
    found = []
    for other in scripts:  # each stands behind those that it waits for
        if other is not one and names.intersection(other.after):
            names |= {job.name for job in other.jobs}
            found.append(other.title)
    return found


def _submit_all(scripts: Sequence[SlurmJob], ids: dict[str, int], profile: Path) -> None:
    """Adds to `ids`, by the jobs' names. What is submitted is on record, also when the next one is refused."""
    for number, one in enumerate(scripts):
        after = sorted({ids[name] for name in one.after})
        try:
            submitted = sbatch(script_path(one.first), after)
        except UserError as error:
            if not number:
                raise UserError(f"{error}. Nothing was submitted") from None
            before = [ids[earlier.first.name] for earlier in scripts[:number]]
            raise UserError(
                f"{error}\nSubmitted before it, {number} of {len(scripts)} jobs: {_some(before)}. They will run and do "
                f"their part; the same command submits the rest. To cancel them: {_cancel(before)}"
            ) from None
        note_submitted(one, submitted, after, profile)
        ids |= dict.fromkeys((job.name for job in one.jobs), submitted)


def _print_jobs(scripts: Sequence[SlurmJob], cluster: Cluster, ids: dict[str, int] | None) -> None:
    if not scripts:
        return
    if len(scripts) > MANY:
        kinds = dict.fromkeys(one.first.kind for one in scripts)
        counts = ", ".join(f"{sum(one.first.kind == kind for one in scripts)} {kind}" for kind in kinds)
        say(f"{len(scripts)} jobs: {counts}")
        return
    table = Table(title="Jobs", title_justify="left", title_style="bold", header_style="")
    for column in (*(("job",) if ids else ()), "what", "nodes x processes", "GPUs", "time", "waits for"):
        table.add_column(column, overflow="fold")
    for one in scripts:
        asked = request(one.first, cluster)
        names = [str(ids[name]) if ids else name.partition("/")[2] for name in one.after]
        table.add_row(
            *((str(ids[one.first.name]),) if ids else ()),
            one.name,
            f"{asked.nodes} x {asked.tasks_per_node}",
            str(asked.nodes * asked.gpus_per_node),
            asked.machine.time,
            ", ".join(dict.fromkeys(names)) or "-",
        )
    SafeConsole().print(table)


def _print_what_next(scripts: Sequence[SlurmJob], ids: dict[str, int]) -> None:
    numbers = [ids[one.first.name] for one in scripts]
    say(f"scripts, logs, job ids: {', '.join(dict.fromkeys(shown(folder_of(o.first).parent) for o in scripts))}")
    say(f"watch:   {_watch(numbers)}, or the same command with --status instead of --submit")
    say(f"         tail -F {shlex.quote(shown(log_path(scripts[0].first)))}")
    say(f"cancel:  {_cancel(numbers)}")


def _nothing(study: Study) -> str:
    done = ", ".join(shown(one.recipe.run_folder) for one in study.recipes[:4])
    return f"Nothing to submit: everything is done. See {done}{' ...' if len(study.recipes) > 4 else ''}"


def _some(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids)))


def _watch(ids: Collection[int]) -> str:
    return "squeue --jobs " + ",".join(map(str, sorted(ids)))


def _cancel(ids: Collection[int]) -> str:
    return "scancel " + " ".join(map(str, sorted(ids)))
