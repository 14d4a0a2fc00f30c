"""Which of the jobs to submit somebody has in Slurm's queue already, by this command or another one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.graph import Job, build_graph
from fgtrain.graph.begin import light_plans
from fgtrain.graph.build import study_folder
from fgtrain.jobs.spec import RECIPE, SPEC
from fgtrain.recipe import Recipe, differences, load_recipe
from fgtrain.recipe.study import Arm, ArmRecipe, Study

from .queue import RECORD, digest, queue_states, records_under, settled_states, slurm_record
from .script import folder_of


def found_in_queue(jobs: Sequence[Job], roots: Sequence[Path]) -> dict[str, int]:
    """Name of a job -> Slurm's id of the one that does this work already. `roots`: folders of runs that may share it.

    UserError where a job's own folder belongs to one in the queue that does something else.
    """
    records = records_under(roots)
    for job in jobs:  # the folders of a study, or of recipes that are started together, lie elsewhere
        if (own := slurm_record(job.folder)) is not None:
            records[folder_of(job)] = own
    queue = settled_states({record["id"] for record in records.values()})
    records = {folder: record for folder, record in records.items() if record["id"] in queue}
    found = {}
    for job in jobs:
        if (record := records.get(folder_of(job))) is not None:
            _refuse_another(job, record["id"], records)
            found[job.name] = record["id"]
    mine = {folder_of(job) for job in jobs}
    others = {folder: record for folder, record in records.items() if folder not in mine}
    by_digest = {record["identity"]: record["id"] for record in others.values()}
    left = [job for job in jobs if job.name not in found]
    if any(digest(job) not in by_digest for job in left):
        by_digest |= _as_known_now(others)
    return found | {job.name: by_digest[digest(job)] for job in left if digest(job) in by_digest}


def queue_of(study: Study) -> dict[str, str]:
    """Name of a job -> what Slurm says of it, of the study's jobs that are in the queue. Empty without Slurm."""
    folders = [one.recipe.run_folder for one in study.recipes] + [study_folder(study)]
    found = (slurm_record(path.parent) for folder in folders for path in folder.glob(f"jobs/*/{RECORD}"))
    records = [record for record in found if record is not None]
    states = queue_states({record["id"] for record in records}) if shutil.which("squeue") else {}
    return {one["name"]: f"as job {one['id']}, {states[one['id']].lower()}" for one in records if one["id"] in states}


def _as_known_now(records: dict[Path, dict]) -> dict[str, int]:
    """Digest -> id, of the same jobs: what a run's data and weights decide may not have been known when it was
    submitted."""
    found = {}
    for run in {folder.parent for folder in records}:
        mine = {folder: record for folder, record in records.items() if folder.parent == run}
        recipe = _recipe_of(next(iter(mine)))
        if recipe is None:
            continue
        now = {folder_of(job): digest(job) for job in _graph_of(recipe)}
        found |= {now[folder]: record["id"] for folder, record in mine.items() if folder in now}
    return found


def _graph_of(recipe: Recipe):
    one = ArmRecipe(recipe.name, recipe.seed, recipe)
    study = Study(None, None, "", (Arm(recipe.name, ()),), (recipe.seed,), (), (), (), (one,))
    return build_graph(study, light_plans(study))


def _recipe_of(folder: Path) -> Recipe | None:
    """As it was submitted. None where there is none, or none that this version reads."""
    try:
        return load_recipe(folder / RECIPE) if (folder / RECIPE).is_file() else None
    except UserError:
        return None


def _refuse_another(job: Job, number: int, records: dict[Path, dict]) -> None:
    """UserError unless what is in the queue from this folder is this very job: its files cannot serve both."""
    if job.recipe is None:
        same = read_json(folder_of(job) / SPEC).get("arguments") == job.arguments
        changed = "it was made for other runs"
    else:
        before = _recipe_of(folder_of(job))
        found = differences(before, job.recipe) if before is not None else []
        same = before is not None and not found
        changed = "; ".join(f"{one.key} was {one.a!r}, is {one.b!r}" for one in found[:4])
    if same:
        return
    run = folder_of(job).parent
    ids = sorted({record["id"] for folder, record in records.items() if folder.parent == run})
    raise UserError(
        f"{job.title} ({job.name}) is in the queue as job {number}, but not as it would be submitted now"
        f"{f': {changed}' if changed else ''}. Wait until it is through, choose another name (name=...), or cancel "
        f"what is in the queue and submit anew: scancel {' '.join(map(str, ids))}"
    )
