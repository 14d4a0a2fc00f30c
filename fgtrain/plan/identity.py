"""What is known of each checkpoint before it is there: its fingerprint, and whether that will change. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fgtrain.recipe import START, BestStage, MergeStage, Recipe
from fgtrain.recipe.soup import other_run

from .asked_between import ASKED
from .expected import with_expected
from .facts import DataFacts, ModelFacts
from .fingerprint import best_fingerprint, merge_fingerprint, model_fingerprint, stage_fingerprint
from .lineage import kept_to, sources, starts_from
from .replayed import choice_identity, replayed_facts, replayed_in
from .versions import Program


@dataclass(frozen=True)
class Known:
    """`inputs`: as the fingerprint, whatever the program's code; `provisional`: data or weights are not here yet."""

    fingerprint: str
    inputs: str
    provisional: bool

    @classmethod
    def of_model(cls, recipe: Recipe, facts: ModelFacts) -> "Known":
        """Of the untrained model."""
        fingerprint = model_fingerprint(recipe, facts)
        return cls(fingerprint, fingerprint, facts.weights_sha is None)


def known_in_turn(
    recipe: Recipe, data: dict[str, DataFacts], model: ModelFacts, program: Program
) -> Iterator[tuple[str, dict[str, Known], dict[str, DataFacts]]]:
    """Stage by stage, in order: (its name, what is known of all checkpoints up to its own, facts of data up to those
    that it replays). Checkpoints of other runs that it averages stand there by the names that it gives them.
    """
    replays = any(replayed_in(recipe, name) for name in recipe.enabled_stages)
    choosing = program.chooses().hash if replays else None
    known = {START: Known.of_model(recipe, model)}
    for name, stage in recipe.enabled_stages.items():
        data = data | with_expected(recipe, replayed_facts(recipe, name, known, data, choosing), model)
        for other in stage.runs if isinstance(stage, MergeStage) else ():
            theirs, last = other_run(stage, other)
            *_, (_, all_of_theirs, _) = known_in_turn(theirs, data, model, program)
            known[other] = all_of_theirs[last]
        known[name] = known_of(recipe, name, known, data, program.trains(stage.trained_by).hash, choosing)
        yield name, known, data


def known_of(
    recipe: Recipe,
    name: str,
    before: Mapping[str, Known],
    facts: dict[str, DataFacts],
    code: str,
    choosing: str | None = None,
) -> Known:
    """Of stage `name`, from those before it. `choosing`: hash of the code that chooses replayed rows."""
    stage = recipe.stages[name]
    if isinstance(stage, MergeStage):
        return Known(
            merge_fingerprint(recipe, name, {other: one.fingerprint for other, one in before.items()}, code),
            merge_fingerprint(recipe, name, {other: one.inputs for other, one in before.items()}),
            any(before[other].provisional for other in sources(recipe, name)),
        )
    if isinstance(stage, BestStage):
        last = before[stage.best_of]
        return Known(best_fingerprint(last.fingerprint), best_fingerprint(last.inputs), last.provisional)
    start, kept = starts_from(recipe, name), kept_to(recipe, name)
    other = kept if kept not in (None, start) else None
    decides = (*stage.reads, ASKED) if stage.watched else stage.reads

    def of(prints: dict[str, str], code: str | None, choosing: str | None) -> str:
        chosen = {one: choice_identity(recipe, one, prints, facts, choosing) for one in replayed_in(recipe, name)}
        known = {one: replace(facts.get(one, DataFacts()), sha256=identity) for one, identity in chosen.items()}
        return stage_fingerprint(recipe, name, prints[start], facts | known, code, other and prints[other])

    return Known(
        of({checkpoint: one.fingerprint for checkpoint, one in before.items()}, code, choosing),
        of({checkpoint: one.inputs for checkpoint, one in before.items()}, None, None),
        before[start].provisional
        or (other is not None and before[other].provisional)
        or any(facts.get(data, DataFacts()).sha256 is None for data in decides),
    )
