"""A job as the text of its sbatch script, from slurm/job.sbatch.j2 and slurm/launch.sh."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from fgtrain.errors import UserError
from fgtrain.recipe import Recipe
from fgtrain.recipe.load import REPOSITORY, shown

from .jobs import Job
from .profile import Cluster

TEMPLATES = REPOSITORY / "slurm"
LAUNCH = "launch.sh"


def jobs_folder(recipe: Recipe) -> Path:
    """Where a run keeps its scripts, logs and job ids."""
    return (recipe.run_folder / "slurm").absolute()


def frozen_recipe(recipe: Recipe) -> Path:
    """The recipe as it was submitted: what is edited while jobs wait does not change them."""
    return jobs_folder(recipe) / "recipe.yaml"


def script_path(job: Job) -> Path:
    return jobs_folder(job.recipes[0]) / f"{job.name}.sbatch"


def log_path(job: Job, job_id: int | str) -> Path:
    return jobs_folder(job.recipes[0]) / f"{job.name}-{job_id}.log"


def script(job: Job, jobs: list[Job], cluster: Cluster, profile: Path) -> str:
    """The script of one of `jobs`. UserError when the templates are not there."""
    return _template().render(
        title=f"{_what(job)}, for {' and '.join(recipe.name for recipe in job.recipes)}",
        profile=shown(profile),
        options=list(_options(job)),
        directory=shlex.quote(str(Path.cwd())),
        modules=[shlex.quote(module) for module in cluster.modules],
        setup=cluster.setup,
        launch=shlex.quote(str(jobs_folder(job.recipes[0]) / LAUNCH)),
        what=shlex.quote(_what(job)),
        folder=shlex.quote(str(jobs_folder(job.recipes[0]))),
        waiting=shlex.quote(", ".join(_what(other) for other in jobs if _waits(other, job.key, jobs))),
        command=_command(job, cluster),
    )


def launch_script() -> str:
    """The functions that every script reads from a copy beside it, so that jobs in the queue stay as they are."""
    return _text(LAUNCH)


def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    return environment.from_string(_text("job.sbatch.j2"))


def _text(name: str) -> str:
    path = TEMPLATES / name
    if not path.is_file():
        raise UserError(f"no file {path}: --submit needs the repository's slurm/ folder")
    return path.read_text(encoding="utf-8")


def _what(job: Job) -> str:
    return f"{job.name} of {job.run}"


def _waits(job: Job, key: str, jobs: list[Job]) -> bool:
    """Does the job wait for the one with this key, directly or not?"""
    by_key = {one.key: one for one in jobs}
    return any(one == key or _waits(by_key[one], key, jobs) for one in job.after)


def _options(job: Job) -> Iterator[str]:
    """The #SBATCH lines."""
    machine = job.machine
    log = str(jobs_folder(job.recipes[0]) / f"{job.name}").replace("%", "%%") + "-%j.log"
    yield f"--job-name={job.run}/{job.name}"
    for name in ("partition", "account", "qos"):
        if (value := getattr(machine, name)) is not None:
            yield f"--{name}={shlex.quote(value)}"
    yield f"--nodes={job.nodes}"
    yield f"--ntasks-per-node={job.tasks_per_node}"
    if job.gpus_per_node:
        kind = f"{machine.gpu_type}:" if machine.gpu_type else ""
        yield f"--gpus-per-node={shlex.quote(kind + str(job.gpus_per_node))}"
    yield f"--cpus-per-task={machine.cpus_per_task}"
    if machine.memory is not None:
        yield f"--mem={machine.memory}"
    yield f"--time={machine.time}"
    yield f"--signal=B:USR1@{machine.save_seconds}"
    yield f"--output={shlex.quote(log)}"
    yield "--open-mode=append"
    yield "--requeue"
    yield "--kill-on-invalid-dep=yes"
    yield from machine.sbatch


def _command(job: Job, cluster: Cluster) -> str:
    """What srun starts, with srun's own options before it."""
    words = [*job.machine.srun]
    container = shlex.split(cluster.container) if cluster.container else []
    python = cluster.python or ("python" if container else sys.executable)
    words += [*container, str(Path(python).expanduser()), "-m", "fgtrain"]
    words += [str(frozen_recipe(recipe)) for recipe in job.recipes]
    return shlex.join([*words, *job.option])
