"""What came back after a few steps on old rows: where it lies in the store, and a run's recovery.json out of it.

<runs_root>/.stages/<fingerprint>/recovery/<identity>/recovery.json   of one stage, for every run that tries the same
<run>/recovery.json                                                  stage -> the same, for the report
"""

from pathlib import Path
from typing import Any

from data_builders.shared.files import write_json
from data_builders.shared.state_files import read_checked
from fgtrain.errors import UserError
from fgtrain.plan import DataFacts, Plan, data_facts
from fgtrain.plan.asked_between import subset_hashes
from fgtrain.plan.checkpoints import recovered_at
from fgtrain.plan.versions import asking_code, training_code
from fgtrain.recipe import Recipe

from .identity import identity_of

FOLDER = "recovery"
FILE = "recovery.json"


def recovery_folder(recipe: Recipe, store: Path) -> Path:
    """Of the stage whose checkpoint is in `store`. UserError when a question file is missing."""
    chosen, facts = recipe.evaluation.recovery, data_facts(recipe)
    decides = {
        "on": {name: facts.get(name, DataFacts()).sha256 for name in chosen.on},
        "steps": chosen.steps,
        "questions": subset_hashes(recipe),
        "groups": recipe.evaluation.groups,
        "code": [training_code("answers").hash, asking_code().hash],
    }
    return store / FOLDER / identity_of(decides)


def recovered(recipe: Recipe, store: Path) -> bool:
    """Was just this tried? No, where the question files are yet to be built."""
    try:
        return read_checked(recovery_folder(recipe, store) / FILE) is not None
    except UserError:
        return False


def found_recoveries(recipe: Recipe, plan: Plan) -> dict[str, dict[str, Any]]:
    """Stage -> what came back, of those that were tried by now. UserError when a question file is missing."""
    found = {}
    for name in recovered_at(recipe):
        path = recovery_folder(recipe, recipe.stage_store(plan.stage(name).fingerprint)) / FILE
        if (kept := read_checked(path)) is not None:
            found[name] = kept
    return found


def assemble_recoveries(recipe: Recipe, found: dict[str, dict[str, Any]]) -> None:
    """Write the run's recovery.json; none where nothing was tried."""
    path = recipe.run_folder / FILE
    if found:
        write_json(path, found)
    else:
        path.unlink(missing_ok=True)
