"""What a report was made of: it is written anew where there are other results by now, whoever has made them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from data_builders.shared.files import read_json, write_json
from evaluation.scoring.score_files import read_scores
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.plan.checkpoints import judged_at
from fgtrain.recipe import Recipe

from .evaluations import asked, asked_questions, evaluation_path, stores
from .features import FILE, features_folders
from .held_out import held_out_of
from .identity import identity_of
from .judged import judged_path
from .recovery import found_recoveries

MADE_OF = ".report_made_of.json"


def results_of_run(recipe: Recipe, plan: Plan, start: str) -> dict[str, str]:
    """Stage -> its fingerprint; hashes of each asked checkpoint's evaluation and verdicts, of each one's measured
    features. `start`: the untrained model's fingerprint.

    UserError where a question file or a data set is missing.
    """
    found = {f"stage {stage.name}": stage.fingerprint for stage in plan.stages}
    if asked(recipe):
        questions = asked_questions(recipe)
        places = stores(recipe, plan, start)
        paths = {name: evaluation_path(recipe, places[name], questions) for name in asked(recipe)}
        found |= {name: _hash(path) for name, path in paths.items()}
        found |= {f"judge {name}": _hash(judged_path(paths[name], recipe)) for name in judged_at(recipe)}
    if asked(recipe) and (names := held_out_of(recipe)) is not None:
        found["held out"] = names.identity
    for (name, part), folder in features_folders(recipe, plan, start).items():
        found[f"features {name} {part}"] = _hash(folder / FILE)
    for name, one in found_recoveries(recipe, plan).items():
        found[f"recovery {name}"] = identity_of(one)
    return found


def results_of_study(runs: Iterable[Path]) -> dict[str, str]:
    """Run's folder -> hash of what its report was made of."""
    return {str(run): _hash(run / MADE_OF) for run in runs}


def note_reported(folder: Path, results: dict[str, str]) -> None:
    """The report in the folder is whole, and was made of these."""
    write_json(folder / MADE_OF, {"of": results, "figures": _hash(folder / "metrics.jsonl")})


def reported(folder: Path, results: dict[str, str]) -> bool:
    """Is the report in the folder whole, made of just these, and are figures and scores what they were then?"""
    try:
        if (folder / "scores.json").is_file():
            read_scores(folder / "scores.json")
        return read_json(folder / MADE_OF) == {"of": results, "figures": _hash(folder / "metrics.jsonl")}
    except UserError:
        return False


def _hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else ""
