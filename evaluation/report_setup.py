"""What was run: the parts of plan.json and recipe.resolved.yaml that a reader needs to name or repeat the run."""

from .report_data import Run


def setup(run: Run) -> dict:
    """{"facts": [(name, value)], "stages": [row], "data": [row], "recipe": text}; absent keys are left out."""
    plan, recipe = run.plan, run.recipe
    facts = [
        ("Recipe", recipe.get("name") or plan.get("name") or run.name),
        ("Seed", recipe.get("seed", plan.get("seed"))),
        *((f"Model: {part}", value) for part, value in _model(recipe)),
        *((f"Version: {name}", value) for name, value in _mapping(plan.get("versions")).items()),
    ]
    return {
        "facts": [(name, value) for name, value in facts if value is not None],
        "stages": [_stage(run, stage) for stage in _stages(run)],
        "data": _data(plan),
        "recipe": run.recipe_text,
    }


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


def _data(plan: dict) -> list[dict]:
    """Data sets with rows and hash, wherever the plan keeps them: at its top or inside the stages."""
    found: dict[str, dict] = {}
    for place in (plan, *(s for s in plan.get("stages") or [] if isinstance(s, dict))):
        sets = place.get("data")
        entries = (
            sets.items() if isinstance(sets, dict) else [(s.get("name"), s) for s in sets or [] if isinstance(s, dict)]
        )
        for name, entry in entries:
            if isinstance(entry, dict):
                row = found.setdefault(str(name), {"name": str(name), "rows": None, "sha256": None})
                row["rows"] = row["rows"] or entry.get("rows")
                row["sha256"] = row["sha256"] or entry.get("sha256")
    return list(found.values())
