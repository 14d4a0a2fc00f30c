"""Which checkpoints a stage comes from, and where on that way a part was last changed. Pure."""

from collections.abc import Collection

from fgtrain.recipe import PARTS, START, BestStage, MergeStage, Recipe, Stage

NOTHING = 1e-9  # what is left of 1 is a difference of decimals


def starts_from(recipe: Recipe, stage: str) -> str:
    """The checkpoint that the stage starts from: START, or a stage before it."""
    names = [START, *recipe.enabled_stages]
    return recipe.stages[stage].after or names[names.index(stage) - 1]


def kept_to(recipe: Recipe, stage: str) -> str | None:
    """The checkpoint whose answers the stage is held near to; None where it is not. One that has the weights that the
    stage starts from is called as what it starts from.
    """
    one, first = recipe.stages[stage], starts_from(recipe, stage)
    if not isinstance(one, Stage) or one.keep is None or not one.keep.kl:
        return None
    to = one.keep.to or first
    return first if origin(recipe, to, PARTS) == origin(recipe, first, PARTS) else to


def shares_of(recipe: Recipe, stage: str, part: str) -> dict[str, float]:
    """Checkpoint -> its share of a part's weights at the beginning of the stage (at its end, where it merges). They
    come to 1; who has none is left out, and of checkpoints that have the same weights one stands for all.
    """
    one, first = recipe.stages[stage], starts_from(recipe, stage)
    if not isinstance(one, MergeStage):
        return {first: 1.0}
    found = {first: one.left(part)} | {name: shares.get(part, 0.0) for name, shares in one.merge.items()}
    found = {name: share for name, share in found.items() if share > NOTHING}
    same = len({origin(recipe, name, (part,)) for name in found}) == 1
    return {next(iter(found)): 1.0} if same else found


def sources(recipe: Recipe, stage: str, parts: Collection[str] = PARTS) -> list[str]:
    """The checkpoints whose weights (of any of `parts`) go into the stage: one, but for a stage that merges, which may
    name those of other runs.
    """
    return list(dict.fromkeys(name for part in parts for name in shares_of(recipe, stage, part)))


def needed(recipe: Recipe, stage: str) -> list[str]:
    """The checkpoints that must be there before the stage begins."""
    kept = kept_to(recipe, stage)
    return list(dict.fromkeys([*sources(recipe, stage), *([kept] if kept is not None else [])]))


def origin(recipe: Recipe, checkpoint: str, parts: Collection[str]) -> str:
    """The checkpoint at which any of the parts was last changed on the way to this one, or START; of another run's
    checkpoint itself.
    """
    if checkpoint not in recipe.stages:
        return checkpoint
    one = recipe.stages[checkpoint]
    # The best checkpoint of a stage has other weights than its last, where that stage trains.
    changed = recipe.stages[one.best_of].train if isinstance(one, BestStage) else one.train
    if not set(parts).isdisjoint(changed):
        return checkpoint
    found = {origin(recipe, name, parts) for name in sources(recipe, checkpoint, parts)}
    return found.pop() if len(found) == 1 else checkpoint


def ancestors(recipe: Recipe, checkpoint: str) -> list[str]:
    """The stages that the checkpoint comes from, itself the last, in the order of the recipe."""
    found: set[str] = set()
    waiting = [checkpoint]
    while waiting:
        name = waiting.pop()
        if name in recipe.stages and name not in found:
            found.add(name)
            waiting += sources(recipe, name)
    return [name for name in recipe.enabled_stages if name in found]
