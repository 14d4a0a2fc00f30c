"""From a recipe and what is known of its data and model to every number of the run. Pure: reads only its own code."""

from collections.abc import Iterable

from fgtrain.counts import Counts
from fgtrain.errors import UserError
from fgtrain.recipe import PARTS, Recipe, Stage, TrainPart

from .arithmetic import stage_samples, steps_of, warmup_steps_of
from .attention_way import planned_way
from .costs import with_costs
from .disk import disk_plan, served_bytes
from .encoder import encoder_plan
from .evaluation import Asked, evaluation_plans, questions_cached
from .expected import with_expected
from .facts import DataFacts, ModelFacts
from .hours import device_hours, with_encoding
from .identity import Known, known_in_turn
from .lineage import ancestors, starts_from
from .merging import merge_plan
from .notes import notes
from .peak import Peak, assumed_peak
from .replayed import choice_plans
from .schema import BatchPlan, DataPlan, PartPlan, Plan, StagePlan
from .versions import Program, this_program
from .watching import watch_plan


def make_plan(
    recipe: Recipe,
    data_facts: dict[str, DataFacts],
    model_facts: ModelFacts,
    program: Program | None = None,
    heaviest: dict[str, Counts] | None = None,
    peak: Peak | None = None,
    asked: dict[str, Asked] | None = None,
) -> Plan:
    """The plan. What the facts leave open stays None and is told in `notes`. `program`: whose code it is, default this.

    `heaviest`: of each stage the largest number of everything in a micro-batch, else a bound is taken; `peak`: of one
    device, else that of the GPU assumed; `asked`: entry of `evaluation.tasks` -> its questions, else as published.

    Raises UserError when a stage would have no sample to learn from, or devices.attention cannot be had.
    """
    stages: list[StagePlan] = []
    data_facts = with_expected(recipe, data_facts, model_facts)
    peak = peak or assumed_peak(recipe.devices)
    program = program or this_program()
    for name, known, data_facts in known_in_turn(recipe, data_facts, model_facts, program):  # noqa: B020
        stage = recipe.stages[name]
        if not isinstance(stage, Stage):
            stages.append(merge_plan(recipe, name, model_facts, known))
            continue
        made = _stage(recipe, name, stage, data_facts, model_facts, known[name])
        made = made.model_copy(update={"choices": choice_plans(recipe, made, data_facts, model_facts, peak)})
        stages.append(with_costs(made, recipe, data_facts, model_facts, (heaviest or {}).get(name), peak))
    stages, features = with_encoding(recipe, model_facts, stages, peak)
    evaluations = evaluation_plans(recipe, model_facts, stages, asked or {}, peak)
    lineage = tuple(ancestors(recipe, stages[-1].name)) if stages else ()
    to_last = [stage for stage in stages if stage.name in lineage]
    return Plan(
        name=recipe.name,
        seed=recipe.seed,
        run_folder=str(recipe.run_folder),
        stages=tuple(stages),
        samples=_sum(stage.samples for stage in stages),
        tokens=_sum(stage.tokens for stage in stages),
        steps=_sum(stage.steps for stage in stages),
        lineage=lineage,
        exposures={
            name: _sum(data.samples for stage in to_last for data in stage.data if data.name == name)
            for name in recipe.mixed_data
        },
        updates={
            part: _sum(plan.updates for stage in to_last for plan in stage.parts if plan.part == part) for part in PARTS
        },
        image_tokens=model_facts.image_tokens,
        attention=planned_way(recipe.devices, model_facts.shape),
        evaluated=recipe.evaluation.at if recipe.evaluation.tasks else (),
        tasks=recipe.evaluation.tasks,
        evaluations=evaluations,
        questions_cached=questions_cached(recipe, model_facts, asked or {}),
        device_hours=device_hours(recipe.devices, stages, evaluations),
        disk=disk_plan(stages, evaluations, features, served_bytes(recipe)),
        notes=tuple(notes(recipe, data_facts, model_facts, stages, asked or {})),
        code={by: program.trains(by) for by in {stage.trained_by: 0 for stage in recipe.enabled_stages.values()}},
        commit=program.commit,
        versions=program.versions,
    )


def _facts(facts: dict[str, DataFacts], name: str) -> DataFacts:
    return facts.get(name, DataFacts())


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum, or None as soon as one summand is unknown."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _stage(
    recipe: Recipe,
    name: str,
    stage: Stage,
    data_facts: dict[str, DataFacts],
    model_facts: ModelFacts,
    known: Known,
) -> StagePlan:
    counts = _samples(stage, data_facts)
    data = tuple(
        _data(data, passes, counts[data], _facts(data_facts, data), stage.steps) for data, passes in stage.mix.items()
    )
    samples = _sum(item.samples for item in data)
    if samples is None and stage.steps is not None:
        samples = stage.steps * stage.global_batch_size
    if samples == 0:
        raise UserError(f"stages.{name}.mix gives no sample to learn from: {_mix_text(data)}. Raise the passes")
    steps = None if samples is None else steps_of(samples, stage.global_batch_size)
    parts = tuple(_part(part, name, stage, model_facts, steps) for part in PARTS)
    return StagePlan(
        name=name,
        objective=stage.objective,
        trained_by=stage.trained_by,
        data=data,
        samples=samples,
        questions=_sum(item.questions for item in data),
        tokens=_sum(item.tokens for item in data),
        steps=steps,
        warmup_steps=None if steps is None else warmup_steps_of(steps, stage.warmup_fraction),
        batch=_batch(recipe, stage, samples),
        parts=parts,
        memory_bytes=None,
        encoder=encoder_plan(recipe, name, model_facts, data_facts),
        checkpoint=str(recipe.run_folder / name / "checkpoint"),
        store=str(recipe.stage_store(known.fingerprint) / "checkpoint"),
        fingerprint=known.fingerprint,
        inputs=known.inputs,
        provisional=known.provisional,
        starts_from=starts_from(recipe, name),
        watch=watch_plan(recipe, name, steps),
    )


def _mix_text(data: Iterable[DataPlan]) -> str:
    return ", ".join(f"{item.passes:g} of the {item.rows} rows of {item.name}" for item in data)


def _samples(stage: Stage, data_facts: dict[str, DataFacts]) -> dict[str, int | None]:
    """Of each data set; None where rows are unknown that decide it: its own, or, with `steps`, those of any."""
    rows = {name: _facts(data_facts, name).rows for name in stage.mix}
    unknown = {name for name, count in rows.items() if count is None}
    if unknown and stage.steps is not None:
        return dict.fromkeys(stage.mix)
    known = {name: passes for name, passes in stage.mix.items() if name not in unknown}
    return {**dict.fromkeys(stage.mix), **stage_samples(known, rows, stage.steps, stage.global_batch_size)}


def _data(name: str, passes: float, samples: int | None, facts: DataFacts, steps: int | None) -> DataPlan:
    if steps is not None and samples is not None and facts.rows:
        passes = samples / facts.rows  # as scaled

    def share(per_pass: int | None) -> int | None:
        """Of a count per pass: exact for whole passes, the expected value where a random part of the rows is taken."""
        if per_pass is None or samples is None or not facts.rows:
            return None
        return round(per_pass * samples / facts.rows)

    return DataPlan(
        name=name,
        rows=facts.rows,
        passes=passes,
        samples=samples,
        questions=share(facts.questions),
        tokens=share(facts.tokens_per_pass),
        sha256=facts.sha256,
        code=facts.code,
        declared=facts.declared,
        expected=facts.expected,
        chosen=facts.chosen,
    )


def _batch(recipe: Recipe, stage: Stage, samples: int | None) -> BatchPlan:
    devices, size = recipe.devices, stage.global_batch_size
    return BatchPlan(
        global_batch_size=size,
        per_device=devices.per_device_batch_size,
        devices=devices.world_size,
        accumulation=size // (devices.per_device_batch_size * devices.world_size),
        last_step_samples=None if samples is None else (samples % size or size),
    )


def adapter_text(how: TrainPart) -> str | None:
    """How a part's adapters differ from plain LoRA."""
    if how.osf is not None:
        return f"osf keep {how.osf.keep:g}"
    if how.lora is None:
        return None
    of_data = f" on {how.lora.init_on.rows:,} rows of {how.lora.init_on.data}" if how.lora.init_on is not None else ""
    words = [f"init {how.lora.init}{of_data}"] if how.lora.init is not None else []
    words += [f"{how.lora.intruders:g} left of intruders"] if how.lora.intruders is not None else []
    return ", ".join(words) or None


def _part(part: str, name: str, stage: Stage, facts: ModelFacts, steps: int | None) -> PartPlan:
    parameters = facts.parameters.get(part)
    how = stage.train.get(part)
    if how is None:
        return PartPlan(
            part=part, parameters=parameters, learns=False, learning_rate=None, lora_rank=None, trainable=0, updates=0
        )
    narrowed = how.adapter is not None or how.only is not None or how.layers is not None
    return PartPlan(
        part=part,
        parameters=parameters,
        learns=True,
        learning_rate=how.lr,
        only=how.only,
        layers=how.layers,
        lora_rank=how.lora.rank if how.lora is not None else None,
        adapter=adapter_text(how),
        added=0 if how.adapter is None else facts.added.get(name, {}).get(part),
        trainable=facts.learning.get(name, {}).get(part, None if narrowed else parameters),
        updates=steps,
        ema=stage.ema.decay if stage.ema and stage.ema.of(part) else None,
    )
