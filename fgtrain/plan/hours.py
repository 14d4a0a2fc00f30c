"""Encoding each picture once, for the frozen encoder's cache, and what all of a run takes of its devices. Pure."""

from collections.abc import Iterable

from fgtrain.recipe import Devices, Recipe

from .cost import ASSUMED_MFU
from .encoding import encoder_origin
from .facts import ModelFacts
from .peak import Peak
from .schema import DeviceHours, EvaluationPlan, StagePlan


def with_encoding(
    recipe: Recipe, model: ModelFacts, stages: Iterable[StagePlan], peak: Peak | None
) -> tuple[list[StagePlan], int | None]:
    """(the stages' plans with what each has to encode, bytes of all that is kept). What an earlier stage has encoded
    is there, unless another encoder did. It runs in fp32, by all devices.
    """
    made: list[StagePlan] = []
    kept_of: dict[str, dict[str, int | None]] = {}  # origin of the encoder -> data set -> views that are there
    kept: int | None = 0
    for stage in stages:
        new: int | None = 0
        there = kept_of.setdefault(encoder_origin(recipe, stage.name), {})
        if stage.encoder.cached:
            counts = {name: _more(views, there.get(name, 0)) for name, views in stage.encoder.views.items()}
            new = None if None in counts.values() else sum(counts.values())
            there.update({name: views for name, views in stage.encoder.views.items() if counts[name] != 0})
            kept = None if None in (kept, new) or model.features is None else kept + new * model.features * 4
        seconds = _seconds(recipe.devices, model, new, peak)
        encoder = stage.encoder.model_copy(update={"new_views": new, "seconds": seconds})
        made.append(stage.model_copy(update={"encoder": encoder}))
    return made, kept


def _more(views: int | None, there: int | None) -> int | None:
    return None if views is None or there is None else max(0, views - there)


def _seconds(devices: Devices, model: ModelFacts, views: int | None, peak: Peak | None) -> float | None:
    if views == 0:
        return 0.0
    tokens = model.images.fixed_tokens if model.images is not None else None
    if views is None or tokens is None or model.shape is None or peak is None or peak.fp32 is None:
        return None
    return views * tokens * model.shape.vision_flops / (peak.fp32 * ASSUMED_MFU * devices.world_size)


def device_hours(devices: Devices, stages: Iterable[StagePlan], evaluations: Iterable[EvaluationPlan]) -> DeviceHours:
    """Hours x devices of each kind of work and of all."""
    stages = list(stages)

    def hours(seconds: list[float | None]) -> float | None:
        return None if None in seconds else sum(seconds) * devices.world_size / 3600

    def of_training(stage: StagePlan) -> float | None:
        """As if all devices shared it: heads are trained by one alone."""
        seconds = [stage.seconds, *(choice.seconds for choice in stage.choices)]
        if None in seconds:
            return None
        return stage.seconds / devices.world_size if stage.objective == "heads" else sum(seconds)

    found = {
        "training": hours([of_training(stage) for stage in stages]),
        "encoding": hours([stage.encoder.seconds for stage in stages]),
        "evaluation": hours([one.seconds for one in evaluations]),
    }
    return DeviceHours(**found, all=None if None in found.values() else sum(found.values()))
