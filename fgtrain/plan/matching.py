"""What to write so that a study's arms are matched: passes and steps, found by arithmetic and tried before told."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from fgtrain.recipe import Recipe, Stage, Study

from .arithmetic import samples_of, stage_samples, steps_of
from .schema import Numbers, Plan


class MatchedFact(Numbers):
    """One quantity that the study says is equal in all arms, and what the plans say of it.

    Where a grid multiplies several arms, they are equal at each of its points.
    """

    what: str  # exposures.DATASET (samples), updates.PART (optimizer steps) or tokens
    values: dict[str, int | None]  # of every arm; None = unknown
    equal: bool | None  # None = not proven yet
    exempt: tuple[str, ...]  # arms that need not be equal
    note: str  # why arms are exempt, or why nothing is proven


@dataclass(frozen=True)
class StageMix:
    """What decides a stage's samples and steps."""

    name: str
    mix: dict[str, float]
    rows: dict[str, int]
    steps: int | None  # as the recipe says them
    batch: int
    parts: tuple[str, ...]  # that learn

    @property
    def samples(self) -> dict[str, int]:
        return stage_samples(self.mix, self.rows, self.steps, self.batch)

    @property
    def taken(self) -> int:
        """Optimizer steps."""
        return steps_of(sum(self.samples.values()), self.batch)

    def filled(self, samples: dict[str, int], steps: int, fixed: set[str]) -> "StageMix | None":
        """So many steps with exactly these samples of the `fixed` data sets; the largest other one fills the rest."""
        free = [name for name in samples if name not in fixed]
        if not free:
            return None
        filler = max(free, key=lambda name: samples[name])
        rest = steps * self.batch - sum(count for name, count in samples.items() if name != filler)
        if rest <= 0:
            return None
        wanted = samples | {filler: rest}
        return replace(
            self, steps=steps, mix={name: passes_of(count, self.rows[name]) for name, count in wanted.items()}
        )


@dataclass
class ArmMix:
    """One arm's stages, changed until the arm meets its targets."""

    stages: list[StageMix]
    changes: dict[str, Any] = field(default_factory=dict)  # dotted key -> value to write

    def exposures(self, name: str) -> int:
        return sum(stage.samples.get(name, 0) for stage in self.stages)

    def in_last_stage(self, name: str) -> int:
        """Samples of the data set in the last stage that has it."""
        return [stage.samples[name] for stage in self.stages if name in stage.mix][-1]

    def updates(self, part: str) -> int:
        return sum(stage.taken for stage in self.stages if part in stage.parts)

    def put(self, stage: StageMix) -> None:
        index = next(i for i, one in enumerate(self.stages) if one.name == stage.name)
        before = self.stages[index]
        self.stages[index] = stage
        if stage.steps != before.steps:
            self.changes[f"stages.{stage.name}.steps"] = stage.steps
        for name, passes in stage.mix.items():
            if passes != before.mix.get(name):
                self.changes[f"stages.{stage.name}.mix.{name}"] = passes

    def meet_exposures(self, name: str, target: int, fixed: set[str]) -> None:
        """As many samples of the data set, through the last stage that has it."""
        stage = [one for one in self.stages if name in one.mix][-1]
        samples = stage.samples
        wanted = target - (self.exposures(name) - self.in_last_stage(name))
        if stage.steps is not None:
            samples = samples | {name: wanted}
            changed = stage.filled(samples, stage.steps, fixed)
            if changed is None:  # more than those steps hold
                changed = stage.filled(samples, steps_of(sum(samples.values()), stage.batch), fixed)
        else:
            changed = replace(stage, mix={**stage.mix, name: passes_of(wanted, stage.rows[name])})
        if changed is not None:
            self.put(changed)

    def meet_updates(self, part: str, target: int, fixed: set[str]) -> None:
        """As many steps that move the part, through the last of the stages that move the fewest others with it."""
        missing = target - self.updates(part)
        stages = [one for one in self.stages if part in one.parts]
        if not missing or not stages:
            return
        stage = min(reversed(stages), key=lambda one: len(one.parts))
        steps = stage.taken + missing
        if fixed & set(stage.mix):
            changed = stage.filled(stage.samples, steps, fixed)
        else:
            changed = replace(stage, steps=steps)
        if changed is not None:
            self.put(changed)


def passes_of(samples: int, rows: int) -> float:
    """The shortest number of passes that gives exactly so many samples."""
    for digits in range(20):
        passes = round(samples / rows, digits)
        if samples_of(passes, rows) == samples:
            return int(passes) if passes == int(passes) else passes
    raise AssertionError(f"no passes over {rows} rows give {samples} samples")


def groups_of(study: Study) -> list[list[str]]:
    """Arms that are compared with each other: those at one point of the grid, or all where a point has one arm only."""
    points: dict[str, list[str]] = {}
    for arm in study.arms:
        points.setdefault(arm.point, []).append(arm.name)
    groups = list(points.values())
    return groups if max(map(len, groups)) > 1 else [[arm.name for arm in study.arms]]


def remedies(study: Study, facts: list[MatchedFact], plans: dict[tuple[str, int], Plan]) -> list[str]:
    """Lines that say what to write in which arm; one line where passes and steps alone cannot do it.

    Tokens are left out: they follow from the samples.
    """
    arms = {arm.name: _arm(study, arm.name, plans[arm.name, study.seeds[0]]) for arm in study.arms}
    if None in arms.values():
        return ["Declare rows: N of every data set, or build them, to be told what would match the arms."]
    claims = [(*fact.what.split(".", 1), fact.exempt) for fact in facts if fact.what != "tokens"]
    fixed = {of for kind, of, _ in claims if kind == "exposures"}
    claims.sort(key=lambda claim: claim[0])  # exposures before the updates that they move
    compared = [
        (kind, of, [arms[name] for name in group if name not in exempt])
        for kind, of, exempt in claims
        for group in groups_of(study)
    ]
    for _ in range(2):  # what meets one may move another
        for kind, of, group in compared:
            if kind == "exposures":
                meet_exposures(group, of, fixed)
            else:
                meet_updates(group, of, fixed)
    if not all(_equal(kind, of, group) for kind, of, group in compared):
        return ["No passes and steps were found that match them all. Match less, or leave arms out: but: [ARM]."]
    if same := _made_equal(study, arms):
        return [f"Matched, {same[0]} and {same[1]} would be equal: it is what they differ in. Take it out of matched."]
    lines = [
        f"  in {name}: " + ", ".join(f"{key}: {value}" for key, value in arm.changes.items())
        for name, arm in arms.items()
        if arm.changes
    ]
    return ["They are matched with:", *lines] if lines else []


def _made_equal(study: Study, arms: dict[str, ArmMix]) -> tuple[str, str] | None:
    """Two arms that would be the same recipe with their changes, by whatever name and tags."""
    seen: list[tuple[str, Recipe]] = []
    for one in study.recipes[: len(arms)]:
        stages = dict(one.recipe.stages)
        for stage in arms[one.arm].stages:
            stages[stage.name] = stages[stage.name].model_copy(update={"mix": stage.mix, "steps": stage.steps})
        recipe = one.recipe.model_copy(update={"name": "", "wandb": None, "stages": stages})
        for other, changed in seen:
            if changed == recipe:
                return other, one.arm
        seen.append((one.arm, recipe))
    return None


def meet_exposures(group: list[ArmMix], name: str, fixed: set[str]) -> None:
    counts = Counter(arm.exposures(name) for arm in group)
    rows = next((stage.rows[name] for arm in group for stage in arm.stages if name in stage.rows), 1)
    least = max((arm.exposures(name) - arm.in_last_stage(name) for arm in group), default=0)
    # As most have it; of equally many, whole passes rather than others, then more rather than fewer.
    reachable = [count for count in counts if count > least]
    target = max(reachable, key=lambda count: (counts[count], count % rows == 0, count), default=0)
    for arm in group:
        if arm.exposures(name) != target:
            arm.meet_exposures(name, target, fixed)


def meet_updates(group: list[ArmMix], part: str, fixed: set[str]) -> None:
    target = max((arm.updates(part) for arm in group), default=0)  # data is added, never taken away
    for arm in group:
        arm.meet_updates(part, target, fixed)


def _equal(kind: str, of: str, group: list[ArmMix]) -> bool:
    return len({arm.exposures(of) if kind == "exposures" else arm.updates(of) for arm in group}) <= 1


def _arm(study: Study, name: str, plan: Plan) -> ArmMix | None:
    recipe = next(one.recipe for one in study.recipes if one.arm == name)
    stages = []
    for stage in (one for one in plan.stages if one.name in plan.lineage):
        rows = {data.name: data.rows for data in stage.data}
        if None in rows.values():
            return None
        chosen = recipe.stages[stage.name]
        if not isinstance(chosen, Stage):
            continue
        parts = tuple(part.part for part in stage.parts if part.learns)
        stages.append(StageMix(stage.name, dict(chosen.mix), rows, chosen.steps, chosen.global_batch_size, parts))
    return ArmMix(stages)
