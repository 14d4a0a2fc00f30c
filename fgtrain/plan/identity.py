"""What is known of each checkpoint before it is there: its fingerprint, and whether that will change. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fgtrain.recipe import BestStage, MergeStage, Recipe

from .asked_between import ASKED
from .fingerprint import best_fingerprint, merge_fingerprint, model_fingerprint, stage_fingerprint
from .lineage import kept_to, sources, starts_from
from .replayed import choice_identity, replayed_in
from .schema import DataFacts, ModelFacts


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
