"""Sets of replayed rows: what decides which rows they hold, known before any is chosen, and what choosing costs. Pure.

A set is known by what it is chosen from and by: the rows of its sources, two checkpoints, the seed, the code. So a
stage's fingerprint is known before the rows are, as it is of a stage whose starting point is not trained yet.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fgtrain.counts import Counts
from fgtrain.recipe import Recipe, Stage

from .cost import ASSUMED_MFU, training_work
from .facts import DataFacts, ModelFacts
from .fingerprint import data_identity
from .peak import Peak
from .schema import ChoicePlan, StagePlan

if TYPE_CHECKING:
    from .identity import Known


def replayed_in(recipe: Recipe, stage: str) -> list[str]:
    """The stage's data sets that are replayed rows."""
    return [name for name in recipe.stages[stage].mix if recipe.data[name].replay is not None]


def without_replayed(recipe: Recipe, stage: Stage) -> Stage:
    """The stage as far as its rows can be known before it is reached."""
    own = {name: passes for name, passes in stage.mix.items() if recipe.data[name].replay is None}
    return stage if len(own) == len(stage.mix) else stage.model_copy(update={"mix": own})


def choice_identity(
    recipe: Recipe, name: str, fingerprints: Mapping[str, str], facts: Mapping[str, DataFacts], code: str | None
) -> str:
    """A hash of all that decides which rows the set `name` holds. `fingerprints`: of checkpoints; `code`: of what
    chooses them."""
    chosen = recipe.data[name].replay
    values = {
        "replay": name,  # part of the address of its draws
        "rows": recipe.data[name].rows,
        "by": chosen.by,
        "parts": chosen.parts,
        "among": chosen.among,
        "of": [[source, data_identity(recipe, source, facts)] for source in chosen.of],
        "between": [fingerprints[one] for one in chosen.between or ()],
        "seed": recipe.seed,
        "code": code,
    }
    if chosen.answers is not None:
        values["answers"] = [fingerprints[chosen.answers], chosen.questions, chosen.max_new_tokens]
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def replayed_facts(
    recipe: Recipe, stage: str, before: "Mapping[str, Known]", facts: Mapping[str, DataFacts], code: str | None
) -> dict[str, DataFacts]:
    """Facts of the stage's sets of replayed rows: as many as the recipe says, each as long as those it may be.

    No hash where that of a source or of a checkpoint is not final yet.
    """
    found = {}
    fingerprints = {checkpoint: one.fingerprint for checkpoint, one in before.items()}
    for name in replayed_in(recipe, stage):
        chosen = recipe.data[name].replay
        identity = choice_identity(recipe, name, fingerprints, facts, code)
        known = [facts.get(source, DataFacts()) for source in chosen.of]
        open_yet = any(one.sha256 is None for one in known) or any(
            before[one].provisional for one in chosen.checkpoints
        )
        made = DataFacts(
            rows=recipe.data[name].rows,
            composed=any(one.composed for one in known),
            sha256=None if open_yet else identity,
            chosen=identity,
            code=code,
        )
        if chosen.answers is not None:  # as long as the recipe expects: it is not known what will be answered
            found[name] = replace(made, questions=made.rows * len(chosen.questions) or None)
            continue
        of, counts = _sum([one.rows for one in known]), [one.counts_per_pass for one in known]
        if of and None not in counts:
            each = sum(counts, Counts()).times(made.rows / of)
            made = replace(made, counts_per_pass=each, tokens_per_pass=each.tokens, expected=True)
        if of and (questions := _sum([one.questions for one in known])) is not None:
            made = replace(made, questions=round(questions * made.rows / of))
        found[name] = made
    return found


def choice_plans(
    recipe: Recipe, plan: StagePlan, facts: Mapping[str, DataFacts], model: ModelFacts, peak: Peak | None
) -> tuple[ChoicePlan, ...]:
    """What choosing the stage's replayed rows costs: each row that is looked at goes once through either checkpoint.

    What a checkpoint writes itself is not counted: how long its answers are is not known.
    """
    found = []
    for name in replayed_in(recipe, plan.name):
        chosen = recipe.data[name].replay
        known = [facts.get(source, DataFacts()) for source in chosen.of]
        rows = _sum([one.rows for one in known])
        if chosen.between is None:
            found.append(ChoicePlan(data=name, of=chosen.of, by=chosen.by, candidates=rows, answered_by=chosen.answers))
            continue
        read = rows if rows is None or chosen.among is None else min(rows, chosen.among)
        counts = [one.counts_per_pass for one in known]
        cost: dict[str, Any] = {"tokens": None, "seconds": None}
        if rows and None not in counts:
            all_read = sum(counts, Counts()).times(2 * read / rows)
            cost["tokens"] = all_read.tokens
            if model.shape is not None and peak is not None and peak.train is not None:
                work = training_work(model.shape, {}, encoder_runs=not plan.encoder.cached)
                flops = work.flops(all_read.tokens, all_read.pairs, all_read.labels, all_read.image_tokens)
                cost["seconds"] = flops / (peak.train * ASSUMED_MFU * recipe.devices.world_size)
        found.append(ChoicePlan(data=name, of=chosen.of, by=chosen.by, between=chosen.between, candidates=read, **cost))
    return tuple(found)


def _sum(values: list[int | None]) -> int | None:
    return None if None in values else sum(values)
