"""A cluster profile: what Slurm must be told of the machine, and nothing about what is trained."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fgtrain.errors import UserError
from fgtrain.recipe.keys import Texts
from fgtrain.recipe.load import shown
from fgtrain.recipe.problems import Key, Place, Problem, raise_problems
from fgtrain.recipe.sentences import described
from fgtrain.recipe.yaml_reader import Source, read_yaml
from fgtrain.shipped import SHIPPED

VARIABLE = "FGTRAIN_CLUSTER"
DEFAULT = Path("slurm") / "cluster.yaml"
EXAMPLE = Path("slurm") / "cluster.example.yaml"
TIME = r"^(\d+-)?\d+(:\d{1,2}){0,2}$"  # Slurm's: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]


class Machine(BaseModel):
    """What one kind of job asks of Slurm."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    partition: str | None = None  # null = the cluster's own
    account: str | None = None  # that is charged
    qos: str | None = None  # quality of service
    gpus_per_node: Count  # that a node has; a stage takes devices.count of them; 0 = none
    gpu_type: str | None = None  # as Slurm names it: h100; null = any
    cpus_per_task: Positive = 1  # per process; there is one process a GPU
    memory: str | None = None  # per node, in Slurm's notation
    time: str  # limit of one job; a stage that needs longer is queued again and goes on
    save_seconds: Positive = 600  # so long before the limit the state is saved
    srun: Texts = ()  # more options of srun
    sbatch: Texts = ()  # more #SBATCH options

    @field_validator("time", mode="before")
    @classmethod
    def _a_time(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            clock = f"{value // 3600:02}:{value % 3600 // 60:02}:{value % 60:02}"
            if value < 3600:
                raise ValueError(f'a number. Write it in quotes, as Slurm reads it: "{value}" (minutes) or "{clock}"')
            raise ValueError(f'a number: YAML reads {clock} without quotes so. Write time: "{clock}"')
        if isinstance(value, str) and not re.match(TIME, value):
            raise ValueError(
                'no time of Slurm\'s: write "24:00:00" (hours:minutes:seconds) or "2-00:00:00" (days first)'
            )
        return value

    @field_validator("memory", mode="before")
    @classmethod
    def _a_size(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError(f'a number without a unit. Write memory: "{value}G", or "0" for all of a node\'s')
        if isinstance(value, str) and not re.match(r"^\d+[KMGT]?$", value):
            raise ValueError('no size of Slurm\'s: write "500G", or "0" for all of a node\'s')
        return value

    @field_validator("sbatch", "srun")
    @classmethod
    def _options(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not re.match(r"^--?[A-Za-z]", value):
                raise ValueError(f"but {value!r} is no option. Write options as on a command line: --constraint=ib")
        return values

    @property
    def seconds(self) -> int:
        """The time limit."""
        days, _, rest = self.time.rpartition("-")
        parts = [int(part) for part in rest.split(":")]
        if days:  # D-H[:M[:S]]
            hours, minutes, seconds = (*parts, 0, 0)[:3]
        elif len(parts) == 3:
            hours, minutes, seconds = parts
        else:  # M[:S]
            hours, minutes, seconds = 0, *(*parts, 0)[:2]
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Other(Machine):
    """What is different for jobs that do not train: only what is written here counts."""

    gpus_per_node: Count = 0  # that such a job takes
    time: str = "1:00:00"  # limit of such a job


class Cluster(Machine):
    """The whole profile: the machine of training jobs, what differs for others, and how python is started."""

    modules: Texts = ()  # module load ..., in this order
    setup: Texts = ()  # shell lines before the run
    python: str | None = None  # null = the python that submits
    container: str | None = None  # put before python: apptainer exec --nv FILE
    prepare: Other = Other()  # jobs that build and check data
    evaluate: Other = Other()  # jobs that encode pictures or ask a checkpoint
    report: Other = Other()  # jobs that report

    def machine(self, kind: str) -> Machine:
        """What a job of this kind asks for: "train", "prepare", "evaluate" or "report"."""
        own = {name: getattr(self, name) for name in Machine.model_fields}
        other = {} if kind == "train" else getattr(self, kind).model_dump(exclude_unset=True)
        return Machine(**own | other)


KINDS = ("train", "prepare", "evaluate", "report")
EXAMPLES = {"gpus_per_node": "8", "time": '"24:00:00"'}


def load_cluster(named: str | None) -> tuple[Cluster, Path]:
    """The profile in the file `named`, else in $FGTRAIN_CLUSTER, else in slurm/cluster.yaml; and where it lay.

    Raises one UserError with every mistake of the file, or saying how to make one.
    """
    path = find_cluster(named)
    source = read_yaml(path, shown(path))
    problems = list(source.problems)
    if source.values is None and not problems:
        raise UserError(f"cluster profile {shown(path)} is empty. {_example()}")
    if not isinstance(source.values, dict):
        problems = problems or [Problem((), "must be a mapping (key: value)", Place(shown(path)))]
        raise_problems(shown(path), problems, "cluster profile")
    mistakes = _mistakes(source)
    told = {one.key for one in mistakes}
    problems = [one for one in problems if one.key not in told] + mistakes
    raise_problems(shown(path), problems, "cluster profile")
    return Cluster.model_validate(source.values), path


def find_cluster(named: str | None) -> Path:
    """The profile's file. UserError when it is not there."""
    if named is not None or os.environ.get(VARIABLE):
        text, by = (named, "--cluster") if named is not None else (os.environ[VARIABLE], f"${VARIABLE}")
        path = Path(text).expanduser()
        if path.is_dir():
            raise UserError(f"{by} is {text}, which is a folder. Name the file in it")
        if not path.is_file():
            raise UserError(f"{by} is {text}, and there is no such file. {_near(path) or _example()}")
        return path
    for path in (DEFAULT, SHIPPED / DEFAULT):
        if path.is_file():
            return path
    raise UserError(f"no cluster profile: no file {DEFAULT}, no --cluster FILE, no ${VARIABLE}. {_example()}")


def _near(path: Path) -> str:
    """The profile with a similar name beside it, if any."""
    there = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, there, n=1)
    return f"Did you mean {path.parent / close[0]}?" if close else ""


def _example() -> str:
    folder = "" if DEFAULT.parent.is_dir() else f"mkdir -p {DEFAULT.parent} && "
    return f"Copy one and edit it: {folder}cp {shown(SHIPPED / EXAMPLE)} {DEFAULT}"


def _mistakes(source: Source) -> list[Problem]:
    """What is wrong with the keys and values, in the order of the schema."""
    found: list[Problem] = []
    try:
        cluster = Cluster.model_validate(source.values)
    except ValidationError as error:
        for problem in described(error.errors(include_url=False), Cluster):
            example = EXAMPLES.get(str(problem.key[-1])) if problem.text == "is missing" else None
            more = f". For example {problem.key[-1]}: {example}" if example else ""
            found.append(Problem(problem.key, problem.text + more))
    else:
        for kind in KINDS:
            found += _too_short(cluster.machine(kind), () if kind == "train" else (kind,))
    broken = [key for key, text in _texts(source.values, ()) if "\n" in text or "\r" in text]
    found += [Problem(key, "holds a line break; write one line each") for key in broken]
    return [Problem(p.key, p.text, _place(source, p.key)) for p in dict.fromkeys(found)]


def _too_short(machine: Machine, above: Key) -> list[Problem]:
    """Slurm may signal a minute early, and a job that is told to save as soon as it starts never gets anywhere."""
    if machine.seconds >= 2 * machine.save_seconds or not machine.seconds:
        return []
    text = (
        f"is {machine.save_seconds}, but the time limit is {machine.time} ({machine.seconds} s): at most half of it "
        f"may go to saving. Write {machine.seconds // 2} or less, or a longer time"
    )
    return [Problem((*above, "save_seconds"), text)]


def _texts(value: Any, key: Key) -> list[tuple[Key, str]]:
    if isinstance(value, dict):
        return [found for name, inner in value.items() for found in _texts(inner, (*key, name))]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _texts(inner, (*key, index))]
    return [(key, value)] if isinstance(value, str) else []


def _place(source: Source, key: Key) -> Place | None:
    for length in range(len(key), 0, -1):
        if (place := source.places.get(key[:length])) is not None:
            return place
    return None
