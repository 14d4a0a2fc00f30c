"""Adds to a stage's plan what it costs: peak memory with activations, arithmetic, time."""

from dataclasses import replace

from fgtrain.counts import Counts
from fgtrain.recipe import Recipe

from .cost import ASSUMED_MFU, ModelShape, training_work
from .expected import most_of_a_micro_batch
from .facts import DataFacts, ModelFacts
from .host import host_plan
from .keeping import kept
from .needs import Needs
from .peak import Peak
from .preferring import reference_flops
from .rollouts import rollouts_of
from .schema import StagePlan


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
    shape, best = model_facts.shape, plan.watch is not None and plan.watch.best
    if any(None in (part.trainable, part.parameters, part.added) for part in plan.parts):
        return plan
    learning = {part.part: part.trainable / max(part.parameters, 1) for part in plan.parts if part.learns}
    needs = Needs(
        parameters=sum(p.parameters + p.added for p in plan.parts),
        trainable=sum(p.trainable for p in plan.parts),
        learning=learning,
        shape=None,
        heaviest=None,
        per_step=plan.batch.global_batch_size // recipe.devices.world_size,
        kept=kept(recipe, plan.name, plan.parts),
        averaged=sum(p.trainable for p in plan.parts if p.ema is not None),
    )
    peak = peak or Peak(None, None)
    if shape is not None and plan.objective == "heads":
        return plan.model_copy(update=_of_heads(plan, data_facts, shape, peak) | _memory(recipe, needs, peak, best))
    if shape is None or plan.objective == "merge":
        return plan.model_copy(update=_memory(recipe, needs, peak, best))
    work = training_work(shape, learning, encoder_runs=not plan.encoder.cached)
    rollouts = rollouts_of(recipe.stages[plan.name], plan, data_facts)
    if needs.kept is not None and rollouts is None:
        work += needs.kept.work(shape, learning, encoder_runs=not plan.encoder.cached)
    added: dict = {"work": work, "bounded": heaviest is None}
    counts = _whole(plan, data_facts)
    if counts is not None:
        if rollouts is not None:
            counts = rollouts.counts(counts, plan.samples)
        added["flops"] = work.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
        if rollouts is not None:
            added["flops"] += rollouts.flops(shape, counts)
        added["flops"] += reference_flops(plan, _whole(plan, data_facts, once=True), shape)
        if peak.train is not None:
            added["seconds"] = added["flops"] / (peak.train * ASSUMED_MFU * recipe.devices.world_size)
    heaviest = heaviest or most_of_a_micro_batch(recipe, recipe.stages[plan.name], model_facts)
    if rollouts is not None and heaviest is not None:
        heaviest = rollouts.counts(heaviest, recipe.devices.per_device_batch_size)
    return plan.model_copy(update=added | _memory(recipe, replace(needs, shape=shape, heaviest=heaviest), peak, best))


def _of_heads(plan: StagePlan, data_facts: dict[str, DataFacts], shape: ModelShape, peak: Peak) -> dict:
    """Arithmetic and time where one device trains the encoder alone, in fp32: forward, and backward twice that."""
    counts = _whole(plan, data_facts)
    if counts is None:
        return {}
    flops = 3.0 * shape.vision_flops * counts.image_tokens
    return {"flops": flops} | ({"seconds": flops / (peak.fp32 * ASSUMED_MFU)} if peak.fp32 is not None else {})


def _whole(plan: StagePlan, facts: dict[str, DataFacts], once: bool = False) -> Counts | None:
    """What the whole stage holds: of each data set the counts of a pass, as often as its samples are of its rows; or no
    row more than `once`."""
    total = Counts()
    for data in plan.data:
        known = facts.get(data.name, DataFacts())
        if known.counts_per_pass is None or not known.rows or data.samples is None:
            return None
        passes = data.samples / known.rows
        total += known.counts_per_pass.times(min(passes, 1.0) if once else passes)
    return total


def _memory(recipe: Recipe, needs: Needs, peak: Peak, best: bool) -> dict:
    """Of a device with activations where they can be known, of its host, and what would need less. `best`: the best
    checkpoint is made anew beside the last."""
    devices = recipe.devices
    memory, added = needs.bytes(devices)
    found: dict = {"memory_bytes": memory, "device": peak.of, "device_holds": peak.holds}
    if added is not None:
        found |= {"activation_bytes": max(added.first, added.last), "heaviest_tokens": needs.heaviest.tokens}
        found["smaller"] = needs.smaller(devices)
    host = host_plan(devices, needs.parameters, needs.held(devices), memory, again=best, averaged=needs.averaged)
    return found | {"host": host}
