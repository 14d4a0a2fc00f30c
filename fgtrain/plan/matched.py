"""Are a study's arms matched? To the row and the step, by their plans; refused with what would match them."""

from fgtrain.errors import UserError
from fgtrain.recipe import Matched, Study
from fgtrain.recipe.load import shown

from .matching import MatchedFact, groups_of, remedies
from .schema import Plan

Plans = dict[tuple[str, int], Plan]  # (arm, seed) -> plan


def check_matched(study: Study, plans: Plans) -> list[MatchedFact]:
    """What is equal, proven or not yet provable. One UserError with the arms' numbers where something is not equal."""
    facts = [_fact(study, one, plans) for one in study.matched]
    if all(fact.equal is not False for fact in facts):
        return facts
    where = f"study {shown(study.file)}" if study.file is not None else "the study"
    lines = [f"{where}: the arms are not matched."]
    for one, fact in zip(study.matched, facts, strict=True):
        if fact.equal is False:
            mine = ", ".join(f"{arm} {_number(fact.values[arm])}" for arm in fact.values if arm not in fact.exempt)
            lines.append(f"  {one.what}: {mine}{_differing_data(study, fact, plans)}")
    lines += remedies(study, facts, plans)
    raise UserError("\n".join(lines))


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _fact(study: Study, one: Matched, plans: Plans) -> MatchedFact:
    runs = {(run.arm, run.seed) for run in study.recipes}  # a soup over seeds has but one
    by_seed = [
        {arm.name: _value(plans[arm.name, seed], one.what) for arm in study.arms if (arm.name, seed) in runs}
        for seed in study.seeds
    ]
    values = by_seed[0]
    without = [arm for arm, value in values.items() if value == 0 and one.what.startswith("exposures.")]
    exempt = tuple(arm for arm in values if arm in without or arm in one.but)
    groups = [[arm for arm in group if arm not in exempt] for group in groups_of(study)]
    notes = []
    if named := [arm for arm in exempt if arm in one.but]:
        notes.append(f"left out by the study: {', '.join(named)}")
    if free := [arm for arm in exempt if arm not in one.but]:
        notes.append(f"without this data: {', '.join(free)}")
    equal: bool | None = True
    for found in ([of_seed[arm] for arm in group if arm in of_seed] for of_seed in by_seed for group in groups):
        if len({value for value in found if value is not None}) > 1:
            equal = False
        elif equal and None in found:
            equal = None
    if equal is None:
        notes.append(_unknown(one.what))
    return MatchedFact(what=one.what, values=values, equal=equal, exempt=exempt, note="; ".join(notes))


def _value(plan: Plan, what: str) -> int | None:
    kind, _, of = what.partition(".")
    if kind == "tokens":
        stages = [stage for stage in plan.stages if stage.name in plan.lineage]
        estimated = any(data.expected for stage in stages for data in stage.data)  # which proves nothing
        return None if estimated or any(stage.tokens is None for stage in stages) else sum(s.tokens for s in stages)
    return (plan.exposures if kind == "exposures" else plan.updates).get(of, 0)


def _unknown(what: str) -> str:
    if what == "tokens":
        return "cannot be proven before the rows are built and counted: the run proves it before it trains"
    return "cannot be proven before the data are built: declare rows: N, or run it: the run proves it before it trains"


def _differing_data(study: Study, fact: MatchedFact, plans: Plans) -> str:
    """Tokens follow from samples: which data sets the arms see unequally often."""
    if fact.what != "tokens":
        return ""
    arms = [arm for arm in fact.values if arm not in fact.exempt]
    seen = [plans[arm, study.seeds[0]].exposures for arm in arms]
    names = list(dict.fromkeys(name for exposures in seen for name in exposures))
    differ = [name for name in names if len({exposures.get(name, 0) for exposures in seen}) > 1]
    if not differ:
        return ""
    return f". They are equal where every data set is seen equally often; these are not: {', '.join(differ)}"
