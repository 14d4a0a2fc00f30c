"""What a whole study costs where equal work is done once: distinct stages, pictures encoded and checkpoints asked."""

from collections.abc import Hashable, Iterator

from fgtrain.recipe import ArmRecipe, Recipe, Study

from .schema import DeviceHours, Plan, StagePlan

Plans = dict[tuple[str, int], Plan]  # (arm, seed) -> plan


def distinct_stages(plans: Plans) -> dict[str, StagePlan]:
    """Fingerprint -> stage: each is trained once, whatever arms and seeds want it."""
    return {stage.fingerprint: stage for plan in plans.values() for stage in plan.stages}


def study_hours(study: Study, plans: Plans) -> DeviceHours:
    """Hours x devices of all runs, equal work counted once; None as soon as a part is unknown."""
    training: dict[Hashable, float | None] = {}
    encoding: dict[Hashable, float | None] = {}
    evaluation: dict[Hashable, float | None] = {}
    for one in study.recipes:
        plan, devices = plans[one.arm, one.seed], one.recipe.devices.world_size
        for stage in plan.stages:
            training[stage.fingerprint] = _hours(stage.seconds, devices)
            known = {data.name: data.chosen for data in stage.data}
            for choice in stage.choices:
                training["choice", known[choice.data]] = _hours(choice.seconds, devices)
        for pictures, seconds in _encoded(one, plan):
            encoding[pictures] = _most(encoding.get(pictures, 0.0), _hours(seconds, devices))
        for asked, seconds in _asked(one, plan):
            evaluation[asked] = _hours(seconds, devices)
    parts = [_sum(training), _sum(encoding), _sum(evaluation)]
    return DeviceHours(
        training=parts[0], encoding=parts[1], evaluation=parts[2], all=None if None in parts else sum(parts)
    )


def _encoded(one: ArmRecipe, plan: Plan) -> Iterator[tuple[Hashable, float | None]]:
    """(which pictures, seconds for them) of every data set that a stage reads kept outputs of."""
    for stage in plan.stages:
        if not stage.encoder.cached:
            continue
        rate = _rate(plan)
        augmented = one.recipe.stages[stage.name].augmented
        for name, views in stage.encoder.views.items():
            # Fixed views are drawn from the seed; pictures as they are are the same for all seeds.
            seed = one.seed if name in augmented else None
            seconds = 0.0 if views == 0 else None if views is None or rate is None else views * rate
            yield (_encoder(one.recipe), name, seed), seconds


def _rate(plan: Plan) -> float | None:
    """Seconds for one picture, by all devices."""
    for stage in plan.stages:
        if stage.encoder.new_views and stage.encoder.seconds is not None:
            return stage.encoder.seconds / stage.encoder.new_views
    return None


def _encoder(recipe: Recipe) -> Hashable:
    model = recipe.model
    return (model.checkpoint, model.vision_encoder, model.vision_layer, model.image_size, model.max_tiles)


def _asked(one: ArmRecipe, plan: Plan) -> Iterator[tuple[Hashable, float | None]]:
    """(which checkpoint is asked what, seconds)."""
    of_stage = {stage.name: stage.fingerprint for stage in plan.stages}
    what = one.recipe.evaluation.model_dump_json(exclude={"at", "features", "judge"})
    for entry in plan.evaluations:
        # The untrained model: its fresh projector follows from the seed.
        start = (one.recipe.model.model_dump_json(), one.seed)
        yield (of_stage.get(entry.checkpoint, start), entry.during, what), entry.seconds


def _hours(seconds: float | None, devices: int) -> float | None:
    return None if seconds is None else seconds * devices / 3600


def _most(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else max(a, b)


def _sum(hours: dict[Hashable, float | None]) -> float | None:
    values = list(hours.values())
    return None if None in values else sum(values)
