"""Adds to a stage's plan what it costs: peak memory with activations, arithmetic, time."""

from fgtrain.counts import Counts
from fgtrain.recipe import Recipe

from .arithmetic import held_bytes
from .cost import ASSUMED_MFU, ModelShape, training_work
from .memory import activation_bytes, peak_bytes
from .schema import DataFacts, ModelFacts, StagePlan


def with_costs(
    plan: StagePlan,
    recipe: Recipe,
    data_facts: dict[str, DataFacts],
    model_facts: ModelFacts,
    heaviest: Counts | None,
    peak_flops: float | None,
) -> StagePlan:
    """The stage's plan with work, memory and time, as far as model and data are known."""
    shape = model_facts.shape
    if shape is None or plan.objective != "answers" or any(part.trainable is None for part in plan.parts):
        return plan
    learning = {part.part: part.trainable / max(part.parameters, 1) for part in plan.parts if part.learns}
    work = training_work(shape, learning, encoder_runs=not plan.encoder.cached)
    added: dict = {"work": work}
    counts = _whole(plan, data_facts)
    if counts is not None:
        added["flops"] = work.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
        if peak_flops is not None:
            added["seconds"] = added["flops"] / (peak_flops * ASSUMED_MFU * recipe.devices.world_size)
    if heaviest is not None:
        added |= _memory(plan, recipe, shape, learning, heaviest)
    return plan.model_copy(update=added)


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
    plan: StagePlan, recipe: Recipe, shape: ModelShape, learning: dict[str, float], heaviest: Counts
) -> dict[str, int]:
    devices = recipe.devices
    total, trainable = sum(p.parameters for p in plan.parts), sum(p.trainable for p in plan.parts)
    held = held_bytes(total, trainable, devices.precision, devices.strategy, devices.world_size)
    activations = activation_bytes(shape, heaviest, learning, devices.precision, devices.activation_checkpointing)
    strategy = "ddp" if devices.strategy == "auto" and devices.world_size > 1 else devices.strategy
    return {
        "activation_bytes": activations,
        "heaviest_tokens": heaviest.tokens,
        "memory_bytes": peak_bytes(held, activations, plan.batch.accumulation, strategy),
    }
