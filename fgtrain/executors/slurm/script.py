"""A job as the text of its sbatch script, from slurm/job.sbatch.j2 and slurm/launch.sh."""

import shlex
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from fgtrain.errors import UserError
from fgtrain.graph import Job
from fgtrain.jobs.spec import LOG
from fgtrain.recipe.load import shown
from fgtrain.shipped import SHIPPED

from .chained import SlurmJob
from .profile import Cluster
from .request import Request, request

TEMPLATES = SHIPPED / "slurm"
LAUNCH, SCRIPT = "launch.sh", "job.sbatch"


def folder_of(job: Job) -> Path:
    """Where the job's script, log and Slurm's id lie."""
    return job.folder.absolute()


def script_path(job: Job) -> Path:
    return folder_of(job) / SCRIPT


def log_path(job: Job) -> Path:
    return folder_of(job) / LOG


def script(one: SlurmJob, waiting: Sequence[str], cluster: Cluster, profile: Path) -> str:
    """The script's text. `waiting`: titles of the jobs that wait for it, directly or not.

    UserError when the templates are not there, or a name or a path would be more than one line of the script.
    """
    asked = request(one.first, cluster)
    return _template().render(
        title=_line(f"{one.title}, for {' and '.join(one.runs)}"),
        profile=_line(shown(profile)),
        options=[_line(option) for option in _options(one, asked)],
        directory=_quoted(Path.cwd()),
        modules=[_quoted(module) for module in cluster.modules],
        setup=cluster.setup,
        launch=_quoted(folder_of(one.first) / LAUNCH),
        what=_quoted(one.title),
        folders=[_quoted(folder_of(job)) for job in one.jobs],
        waiting=_quoted(", ".join(waiting)),
        command=_line(shlex.join(_command(one, asked, cluster))),
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


def _options(one: SlurmJob, asked: Request) -> Iterator[str]:
    """The #SBATCH lines."""
    machine = asked.machine
    yield f"--job-name={shlex.quote(one.first.name)}"
    for name in ("partition", "account", "qos"):
        if (value := getattr(machine, name)) is not None:
            yield f"--{name}={shlex.quote(value)}"
    yield f"--nodes={asked.nodes}"
    yield f"--ntasks-per-node={asked.tasks_per_node}"
    if asked.gpus_per_node:
        kind = f"{machine.gpu_type}:" if machine.gpu_type else ""
        yield f"--gpus-per-node={shlex.quote(kind + str(asked.gpus_per_node))}"
    yield f"--cpus-per-task={machine.cpus_per_task}"
    if machine.memory is not None:
        yield f"--mem={machine.memory}"
    yield f"--time={machine.time}"
    yield f"--signal=B:USR1@{machine.save_seconds}"
    yield f"--output={shlex.quote(str(log_path(one.first)).replace('%', '%%'))}"
    yield "--open-mode=append"
    yield "--requeue"
    yield "--kill-on-invalid-dep=yes"
    yield from machine.sbatch


def _command(one: SlurmJob, asked: Request, cluster: Cluster) -> list[str]:
    """What srun starts, with srun's own options before it."""
    container = shlex.split(cluster.container) if cluster.container else []
    python = cluster.python or ("python" if container else sys.executable)
    started = [*container, str(Path(python).expanduser()), "-m", "fgtrain.jobs"]
    return [*asked.machine.srun, *started, *(str(folder_of(job)) for job in one.jobs)]


def _quoted(value: object) -> str:
    """For the shell."""
    return _line(shlex.quote(str(value)))


def _line(text: str) -> str:
    """What may stand in one line of a script. Behind a line break, text of a recipe would be a command of its own."""
    bad = next((letter for letter in text if unicodedata.category(letter) == "Cc" or letter in "\u2028\u2029"), None)
    if bad is not None:
        raise UserError(
            f"{text!r} holds {bad!r}, and would stand in one line of a job's script. Choose names and paths (name, "
            f"runs_root, built_root, the profile's file, this folder) without line breaks and control characters"
        )
    return text
