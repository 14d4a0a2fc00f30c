"""The run folder: whose it is, who works in it, and the links into the store of shared stages.

runs/<name>/recipe.resolved.yaml  plan.json  metrics.jsonl  scores.json  report.html
runs/<name>/<stage>               -> ../.stages/<fingerprint>
runs/<name>/answers/<checkpoint>  -> ../../.stages/<fingerprint>/answers
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from data_builders.shared.files import atomic_write, read_json
from data_builders.shared.terminal import say
from data_builders.shared.yaml_limits import load_yaml
from fgtrain.checksums import NOTES, SUMS, verify_checksums
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe, as_values, dump_resolved

# What may change between two starts of one run without making it another run.
FREE_KEYS = ("devices", "evaluation", "wandb", "network", "data_root", "built_root", "runs_root", "prepare", "data")
RESOLVED = "recipe.resolved.yaml"
END = "# the end\n"  # or the file was cut off


def claim(recipe: Recipe) -> None:
    """Make the run's folder this recipe's. UserError when it belongs to another one."""
    folder = recipe.run_folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another name (name=...) or runs_root")
    refuse_foreign(recipe, folder)
    text = dump_resolved(recipe) + END
    if not (folder / RESOLVED).exists() or (folder / RESOLVED).read_bytes() != text.encode():
        with atomic_write(folder / RESOLVED) as file:
            file.write(text)


def stage_kept(recipe: Recipe, fingerprint: str) -> bool:
    """Does the store hold a checkpoint of the stage with this fingerprint? Looks at nothing in it."""
    return (recipe.stage_store(fingerprint) / "checkpoint" / SUMS).is_file()


def stage_done(recipe: Recipe, fingerprint: str) -> bool:
    """Does the store hold the checkpoint of the stage with this fingerprint?

    UserError where it was altered since, or learnt without more bad rows than the recipe allows.
    """
    checkpoint = recipe.stage_store(fingerprint) / "checkpoint"
    if not checkpoint.exists():
        return False
    verify_checksums(checkpoint)
    notes, allowed = checkpoint / NOTES, recipe.devices.bad_rows
    left_out = read_json(notes)["extra"].get("left_out", []) if notes.is_file() else []
    if len(left_out) > allowed:
        rows = ", ".join(f"{data_set} {row}" for data_set, row in left_out[:4])
        more = f" and {len(left_out) - 4} more" if len(left_out) > 4 else ""
        raise UserError(
            f"{checkpoint} was trained without {len(left_out)} rows that could not be used ({rows}{more}), and "
            f"devices.bad_rows is {allowed}. Write devices.bad_rows={len(left_out)} to take it, or mend the data and "
            f"remove {checkpoint.parent} to train it anew"
        )
    return True


def refuse_foreign(recipe: Recipe, folder: Path) -> None:
    """UserError unless what lies in the folder was made by this recipe, up to `FREE_KEYS`."""
    path = folder / RESOLVED
    if not path.exists():
        if (folder / "plan.json").exists() or (folder / "scores.json").exists():
            raise UserError(f"{folder} holds a run without {RESOLVED}; choose another name (name=...)")
        return
    content = path.read_bytes()
    if not content.endswith(END.encode()) and dump_resolved(recipe).encode().startswith(content):
        say(f"{path} was cut off; it is this recipe's as far as it goes, and is written anew", file=sys.stderr)
        return
    way_on = f"Write name=ANOTHER_NAME for a new run, or move {folder} away"
    if not content.endswith(END.encode()):
        raise UserError(f"{path} was cut off or altered, so that nobody knows whose run this is. {way_on}")
    try:
        before = load_yaml(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}). {way_on}") from None
    if not isinstance(before, dict):
        raise UserError(f"{path} is no recipe, so that nobody knows whose run this is. {way_on}")
    found = list(_different(_decisive(before), _decisive(as_values(recipe)), ""))
    if found:
        shown = "; ".join(f"{key} was {a!r}, is {b!r}" for key, a, b in found[:4])
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise UserError(
            f"{folder} belongs to another recipe: {shown}{more}. "
            f"Write name=ANOTHER_NAME for a new run, or remove the folder"
        )


def _decisive(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    kept = {key: value for key, value in values.items() if key not in FREE_KEYS}
    stages = values.get("stages") if isinstance(values.get("stages"), dict) else {}
    kept["stages"] = {
        name: {key: value for key, value in stage.items() if key not in ("enabled", "checkpoint_every_steps")}
        for name, stage in stages.items()
        if isinstance(stage, dict) and stage.get("enabled", True)
    }
    kept["precision"] = (values.get("devices") or {}).get("precision")
    return kept


def _different(a: Any, b: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in {**a, **b}:
            yield from _different(a.get(name), b.get(name), f"{key}.{name}" if key else str(name))
    elif a != b:
        yield key, a, b


def link(place: Path, target: Path) -> None:
    """Make `place` a relative symbolic link to `target`; UserError when something else lies there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(target.resolve(), place.parent.resolve())
    if place.is_symlink():
        if os.readlink(place) == relative:
            return
        place.unlink()
    elif place.exists():
        raise UserError(f"{place} is in the way: the run keeps a link to {target} there. Move it away")
    place.symlink_to(relative, target_is_directory=True)
