"""The plan of a stage that averages checkpoints, or takes one that was kept: no data and no steps. Pure."""

from collections.abc import Mapping

from fgtrain.recipe import PARTS, MergeStage, Recipe

from .facts import ModelFacts
from .identity import Known
from .lineage import shares_of, starts_from
from .schema import EncoderPlan, PartPlan, StagePlan


def merge_plan(recipe: Recipe, name: str, facts: ModelFacts, all_known: Mapping[str, Known]) -> StagePlan:
    """Nothing is learnt: every number of training is 0. `all_known`: of each checkpoint."""
    known, stage = all_known[name], recipe.stages[name]
    others = stage.runs if isinstance(stage, MergeStage) else ()
    parts = tuple(
        PartPlan(
            part=part,
            parameters=facts.parameters.get(part),
            learns=False,
            learning_rate=None,
            lora_rank=None,
            trainable=0,
            updates=0,
            shares=shares_of(recipe, name, part),
        )
        for part in PARTS
    )
    return StagePlan(
        name=name,
        objective=stage.objective,
        trained_by=stage.trained_by,
        data=(),
        samples=0,
        questions=0,
        tokens=0,
        steps=0,
        warmup_steps=0,
        batch=None,
        parts=parts,
        memory_bytes=None,
        seconds=0.0,
        flops=0.0,
        encoder=EncoderPlan(cached=False, why="nothing is encoded", views={}, bytes=0),
        checkpoint=str(recipe.run_folder / name / "checkpoint"),
        store=str(recipe.stage_store(known.fingerprint) / "checkpoint"),
        fingerprint=known.fingerprint,
        inputs=known.inputs,
        provisional=known.provisional,
        starts_from=starts_from(recipe, name),
        elsewhere={other: all_known[other].fingerprint for other in others},
    )
