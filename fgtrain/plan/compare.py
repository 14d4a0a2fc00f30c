"""Two recipes: what differs, and what follows from it. Pure, as the plans are."""

from dataclasses import dataclass

from fgtrain.recipe import Difference, Recipe, differences

from .schema import Plan, StagePlan


@dataclass(frozen=True)
class Consequence:
    """One number of both runs. `stage` is empty for the whole run; None stands for unknown, 0 for a stage not there."""

    stage: str
    what: str
    a: int | None
    b: int | None


@dataclass(frozen=True)
class Comparison:
    names: tuple[str, str]
    differences: tuple[Difference, ...]
    consequences: tuple[Consequence, ...]  # those that differ, and the whole run's
    exposures: tuple[Consequence, ...]  # every data set: samples over all stages
    updates: tuple[Consequence, ...]  # every part: optimizer steps that move it
    shared: tuple[str, ...]  # stages of b that are a's work, in order
    remarks: tuple[str, ...]  # what to mind when reading the results


def compare_plans(recipe_a: Recipe, plan_a: Plan, recipe_b: Recipe, plan_b: Plan) -> Comparison:
    stages = [stage.name for stage in plan_a.stages]
    stages += [stage.name for stage in plan_b.stages if stage.name not in stages]
    consequences = [row for name in stages for row in _stage_rows(name, _find(plan_a, name), _find(plan_b, name))]
    for what in ("steps", "samples", "tokens"):
        consequences.append(Consequence("", what, getattr(plan_a, what), getattr(plan_b, what)))
    exposures = _pairs("samples", plan_a.exposures, plan_b.exposures)
    updates = _pairs("updates", plan_a.updates, plan_b.updates)
    return Comparison(
        names=(plan_a.name, plan_b.name),
        differences=tuple(differences(recipe_a, recipe_b)),
        consequences=tuple(row for row in consequences if row.a != row.b or not row.stage),
        exposures=exposures,
        updates=updates,
        shared=tuple(
            stage.name for stage in plan_b.stages if stage.fingerprint in {other.fingerprint for other in plan_a.stages}
        ),
        remarks=tuple(_remarks(recipe_a, plan_a, recipe_b, plan_b, exposures, updates)),
    )


def _find(plan: Plan, name: str) -> StagePlan | None:
    return next((stage for stage in plan.stages if stage.name == name), None)


def _stage_rows(name: str, a: StagePlan | None, b: StagePlan | None):
    for what in ("steps", "samples", "tokens"):
        yield Consequence(name, what, getattr(a, what) if a else 0, getattr(b, what) if b else 0)
    if a is None or b is None:
        return
    for what in ("warmup_steps", "questions", "memory_bytes"):
        yield Consequence(name, what, getattr(a, what), getattr(b, what))
    for what in ("global_batch_size", "accumulation") if a.batch and b.batch else ():
        yield Consequence(name, what, getattr(a.batch, what), getattr(b.batch, what))
    for part_a, part_b in zip(a.parts, b.parts, strict=True):
        yield Consequence(name, f"{part_a.part}: parameters that learn", part_a.trainable, part_b.trainable)


def _pairs(what: str, a: dict[str, int | None], b: dict[str, int | None]) -> tuple[Consequence, ...]:
    """One row a key; its `stage` field holds the key's name."""
    names = [*a, *(name for name in b if name not in a)]
    return tuple(Consequence(name, what, a.get(name, 0), b.get(name, 0)) for name in names)


def _remarks(recipe_a: Recipe, plan_a: Plan, recipe_b: Recipe, plan_b: Plan, exposures, updates):
    if recipe_a.name == recipe_b.name and recipe_a != recipe_b:
        yield f"Both are called {recipe_a.name} and would use one run folder. Give one of them another name"
    if recipe_a.seed != recipe_b.seed:
        yield f"Seeds differ ({recipe_a.seed}, {recipe_b.seed}): two draws of everything, not one changed thing"
    moved = _moved(plan_a, plan_b)
    for row in exposures:
        if row.a is None or row.b is None or not (row.a and row.b):
            continue
        if row.a != row.b:
            counts = f"{row.a:,} and {row.b:,}"
            yield f"Exposures of {row.stage} do not match ({counts}): a gain may be exposure, not placement"
        elif row.stage in moved:
            yield f"{row.stage} moves between stages at equal exposures ({row.a:,} samples)"
    language_model = next((row for row in updates if row.stage == "language_model"), None)
    if language_model is not None and language_model.a is not None and language_model.b is not None:
        a, b = language_model.a, language_model.b
        if a != b:
            yield f"Updates of the language model do not match ({a:,} and {b:,}): forgetting grows with them"


def _moved(plan_a: Plan, plan_b: Plan) -> set[str]:
    """Data sets whose samples fall into other stages."""

    def places(plan: Plan) -> dict[str, dict[str, int | None]]:
        found: dict[str, dict[str, int | None]] = {}
        for stage in plan.stages:
            for data in stage.data:
                found.setdefault(data.name, {})[stage.name] = data.samples
        return found

    a, b = places(plan_a), places(plan_b)
    return {name for name in a.keys() & b.keys() if a[name] != b[name]}
