"""Which rows a reward stage can learn from, and what rewards the answers to them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from data_builders.options import split_pairs
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe, Stage

from .reward import Reward, level_reward, strict_reward


def check_rows(stage: str, data: Mapping[str, Iterable[dict]]) -> None:
    """UserError where a row is plain text or a dialogue: an answer is drawn to a question that stands alone."""
    for name, rows in data.items():
        for row in rows:
            turns = row["conversations"]
            if len(turns) < 2 or (len(turns) > 2 and row.get("turns") != "independent"):
                what = "plain text" if len(turns) < 2 else f"a dialogue of {len(turns)} turns"
                raise UserError(
                    f"stages.{stage}.mix.{name}: row {row['id']!r} is {what}, but objective grpo draws answers to "
                    f"single questions. Leave the data set out, or mark its rows turns: independent"
                )


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
