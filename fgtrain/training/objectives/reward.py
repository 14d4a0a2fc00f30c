"""What a drawn answer is worth, in 0..1, by the rules that evaluation scores answers with."""

from collections.abc import Callable, Iterable
from pathlib import Path

from evaluation.judging.mentions import Text
from evaluation.judging.recognition import EXACT, LEVEL, Known
from evaluation.judging.taxonomy import Taxonomy, key_of, read_taxonomy
from evaluation.scoring.rules.names import strict
from evaluation.tasks.question_files import quoted_options

Reward = Callable[[str, str, str], float]  # question, the row's answer, the drawn answer


def strict_reward(question: str, gold: str, answer: str) -> float:
    """1 where the rule `strict` calls the answer right, else 0. Where a question lists options, one may be named."""
    return strict(answer, gold, quoted_options(question)).score


class LevelReward:
    """1 for the name, and less the coarser what is named instead: at the i-th of the levels above it 1 - i / levels.

    A word of the name itself counts as the nearest level. Answers to questions that list options, and those that are
    no name in the taxonomies (yes, no), get the strict reward.
    """

    def __init__(self, taxonomies: Iterable[Taxonomy]) -> None:
        levels = [taxonomy.at(level) for taxonomy in taxonomies for level in taxonomy.levels]
        self.known = [(one, Known(one.names, one)) for one in levels]  # finest first

    def __call__(self, question: str, gold: str, answer: str) -> float:
        found = next(((one, known) for one, known in self.known if key_of(gold) in one.kin), None)
        if found is None or quoted_options(question):
            return strict_reward(question, gold, answer)
        taxonomy, known = found
        naming = known.named(gold, question, "", Text(answer))
        if naming.outcome != LEVEL:
            return float(naming.outcome == EXACT)
        above = taxonomy.levels.index(naming.level) if naming.level in taxonomy.levels else 1
        return 1 - above / len(taxonomy.levels)


def level_reward(sources: Iterable[tuple[str, Path]]) -> LevelReward:
    """By the taxonomies of data sets: (source, folder). UserError where one is not there."""
    return LevelReward(read_taxonomy(f"{source}={folder}") for source, folder in sources)
