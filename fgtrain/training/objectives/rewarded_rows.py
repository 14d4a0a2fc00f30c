"""What rewards the answers to a reward stage's rows."""

from collections.abc import Iterator
from pathlib import Path

from data_builders.options import split_pairs
from fgtrain.recipe import Recipe, Stage

from .reward import Reward, level_reward, strict_reward


def reward_of(recipe: Recipe, stage: Stage) -> Reward:
    """UserError where the taxonomy of a data set is not there."""
    if stage.rollouts.reward == "strict":
        return strict_reward
    return level_reward(dict.fromkeys(one for name in stage.mix for one in sources(recipe, name)))


def sources(recipe: Recipe, name: str) -> Iterator[tuple[str, Path]]:
    """(source, folder) of what a data set is built from."""
    data = recipe.data[name]
    root, chosen = recipe.path(data.root, f"data.{name}.root"), split_pairs(data.options["source"])
    if isinstance(chosen, dict):
        yield from ((source, root / folder) for source, folder in chosen.items())
    else:
        yield chosen, root
