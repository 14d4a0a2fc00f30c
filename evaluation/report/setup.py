"""What was run: the parts of plan.json and recipe.resolved.yaml that a reader needs to name or repeat the run."""

from pathlib import Path
from urllib.parse import urlsplit

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..ledger import Run

WANDB = Path("wandb") / "outcome.json"  # what became of a run's figures there, beside its scores


def setup(run: Run) -> dict:
    """{"facts": [(name, value)], "wandb": address or None, "stages": [row], "data": [row], "recipe": text}; facts that
    are absent are left out."""
    plan, recipe = run.plan, run.recipe
    facts = [
        ("Recipe", recipe.get("name") or plan.get("name") or run.name),
        ("Seed", recipe.get("seed", plan.get("seed"))),
        *((f"Model: {part}", value) for part, value in _model(recipe)),
        ("Commit", plan.get("commit")),
        *((f"Version: {name}", value) for name, value in _mapping(plan.get("versions")).items()),
    ]
    return {
        "facts": [(name, value) for name, value in facts if value is not None],
        "wandb": _address(run.folder / WANDB),
        "stages": [_stage(run, stage) for stage in _stages(run)],
        "data": _data(plan),
        "recipe": run.recipe_text,
    }


def _address(path: Path) -> str | None:
    """Where W&B shows the run; None where it does not, or what is there is no address of a page."""
    try:
        url = _mapping(read_json(path)).get("url") if path.is_file() else None
    except UserError:
        return None
    return url if isinstance(url, str) and urlsplit(url).scheme in ("http", "https") else None


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _model(recipe: dict) -> list[tuple[str, object]]:
    model = _mapping(recipe.get("model"))
    return [
        (key.replace("_", " "), model.get(key))
        for key in ("checkpoint", "vision_encoder", "projector", "language_model")
    ]


def _stages(run: Run) -> list[dict]:
    stages = run.plan.get("stages")
    if isinstance(stages, dict):
        stages = [{"name": name, **_mapping(stage)} for name, stage in stages.items()]
    if isinstance(stages, list):
        return [stage for stage in stages if isinstance(stage, dict)]
    return [{"name": row.get("stage"), "fingerprint": row.get("fingerprint")} for row in run.stages]


def _stage(run: Run, stage: dict) -> dict:
    """One line of the stage table. What was chosen comes from the recipe, the numbers from the plan."""
    chosen = _mapping(_mapping(run.recipe.get("stages")).get(stage.get("name")))
    train, mix = _mapping(chosen.get("train")), _mapping(chosen.get("mix"))
    return {
        "name": stage.get("name"),
        "train": [(part, lr.get("lr") if isinstance(lr, dict) else lr) for part, lr in train.items()],
        "mix": list(mix.items()),
        "steps": stage.get("steps"),
        "samples": stage.get("samples"),
        "tokens": stage.get("tokens"),
        "batch": chosen.get("global_batch_size"),
        "fingerprint": str(stage.get("fingerprint") or ""),
    }


def _data(value: object, name: str = "", found: dict[str, dict] | None = None) -> list[dict]:
    """Data sets with rows and hash: whatever in the plan carries a sha256, under its name or the key it stands at."""
    found = {} if found is None else found
    if isinstance(value, dict):
        name = str(value.get("name") or name)
        if "sha256" in value:
            row = found.setdefault(name, {"name": name, "rows": value.get("rows"), "sha256": value["sha256"]})
            row["sha256"] = row["sha256"] or value["sha256"]
        for key, part in value.items():
            _data(part, str(key), found)
    elif isinstance(value, list):
        for part in value:
            _data(part, name, found)
    return list(found.values())
