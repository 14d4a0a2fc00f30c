"""Adds to a stage's plan what it costs: peak memory with activations, arithmetic, time."""

from fgtrain.counts import Counts
from fgtrain.recipe import Recipe

from .arithmetic import held_bytes, on_device
from .cost import ASSUMED_MFU, ModelShape, training_work
from .expected import most_of_a_micro_batch
from .host import host_plan
from .memory import activation_bytes, peak_bytes
from .peak import Peak
from .schema import DataFacts, ModelFacts, StagePlan


def with_costs(
    plan: StagePlan,
    recipe: Recipe,
    data_facts: dict[str, DataFacts],
    model_facts: ModelFacts,
    heaviest: Counts | None,
    peak: Peak | None,
) -> StagePlan:
    """The stage's plan with work, memory and time, as far as model and data are known.

    `heaviest`: None where no row has been counted; a bound takes its place.
    """
    shape = model_facts.shape
    if any(part.trainable is None or part.parameters is None for part in plan.parts):
        return plan
    learning = {part.part: part.trainable / max(part.parameters, 1) for part in plan.parts if part.learns}
    if shape is None or plan.objective != "answers":
        return plan.model_copy(update=_memory(plan, recipe, None, learning, None))
    work = training_work(shape, learning, encoder_runs=not plan.encoder.cached)
    added: dict = {"work": work, "bounded": heaviest is None}
    counts = _whole(plan, data_facts)
    if counts is not None:
        added["flops"] = work.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
        if peak is not None and peak.train is not None:
            added["seconds"] = added["flops"] / (peak.train * ASSUMED_MFU * recipe.devices.world_size)
    heaviest = heaviest or most_of_a_micro_batch(recipe, recipe.stages[plan.name], model_facts)
    return plan.model_copy(update=added | _memory(plan, recipe, shape, learning, heaviest))


def _whole(plan: StagePlan, facts: dict[str, DataFacts]) -> Counts | None:
    """What the whole stage holds: of each data set the counts of a pass, as often as its samples are of its rows."""
    total = Counts()
    for data in plan.data:
        known = facts.get(data.name, DataFacts())
        if known.counts_per_pass is None or not known.rows or data.samples is None:
            return None
        total += known.counts_per_pass.times(data.samples / known.rows)
    return total


def _memory(
    plan: StagePlan, recipe: Recipe, shape: ModelShape | None, learning: dict[str, float], heaviest: Counts | None
) -> dict:
    """Of a device with activations where they can be known, and of its host."""
    devices = recipe.devices
    total, trainable = sum(p.parameters for p in plan.parts), sum(p.trainable for p in plan.parts)
    held = held_bytes(total, trainable, devices.precision, devices.strategy, devices.world_size)
    here = on_device(held, devices.offload)
    memory = sum(here)
    found: dict = {}
    if shape is not None and heaviest is not None:
        activations = activation_bytes(shape, heaviest, learning, devices.precision, devices.activation_checkpointing)
        strategy = "ddp" if devices.strategy == "auto" and devices.world_size > 1 else devices.strategy
        memory = peak_bytes(here, activations, plan.batch.accumulation, strategy)
        found = {"activation_bytes": activations, "heaviest_tokens": heaviest.tokens}
    return found | {"memory_bytes": memory, "host": host_plan(devices, total, held, memory)}
