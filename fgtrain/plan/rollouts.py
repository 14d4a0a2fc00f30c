"""What it costs to draw answers and to learn from them: counts, work, and a line for people. Pure, and at most."""

from collections.abc import Mapping
from dataclasses import dataclass

from fgtrain.counts import Counts
from fgtrain.recipe import MergeStage, Recipe, Stage
from fgtrain.recipe.objective_schema import SELF_DISTILLATION

from .cost import ModelShape, training_work
from .facts import DataFacts
from .keeping import kept
from .layout import gib
from .schema import StagePlan

CHARACTERS = 4  # of a token of the words around what a teacher is shown


@dataclass(frozen=True)
class Rollouts:
    """Of one stage. `questions`: of a sample, in the mean; `shown`: tokens before an answer that its teacher alone
    reads."""

    group: int
    max_new_tokens: int
    reads: float  # forward passes beside those that learn, for each of these: drawing, and the reference's
    questions: float
    shown: float = 0.0

    def counts(self, rows: Counts, samples: float) -> Counts:
        """What a pass over the answers holds, where the rows hold `rows`: prefixes once, and each question with an
        answer of full length as often as one is drawn."""
        text = rows.tokens - rows.image_tokens
        drawn = samples * self.questions * self.group * self.max_new_tokens
        prefix = rows.image_tokens / max(samples, 1)
        alone = min(rows.pairs, samples * prefix * (prefix + 1) / 2)
        seen = prefix + text / max(samples, 1) + self.max_new_tokens
        pairs = alone + self.group * (rows.pairs - alone) + drawn * seen
        return Counts(
            round(rows.image_tokens + self.group * text + drawn), rows.image_tokens, round(drawn), round(pairs)
        )

    def flops(self, shape: ModelShape, counts: Counts) -> float:
        """Beside what learns; image tokens are encoded with that."""
        forward = training_work(shape, {}, encoder_runs=False)
        shown = self.shown * counts.labels / self.max_new_tokens
        seen = self.shown + counts.pairs / max(counts.tokens, 1)
        read = self.reads * forward.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
        return read + forward.flops(round(shown), round(shown * seen), 0, 0)


def rollouts_of(
    stage: Stage | MergeStage, plan: StagePlan, facts: Mapping[str, DataFacts] | None = None
) -> Rollouts | None:
    """None for a stage that draws nothing. `facts`: of data sets; what is not known of them is not counted."""
    chosen = stage.rollouts
    if chosen is None:
        return None
    questions = plan.questions / plan.samples if plan.questions and plan.samples else 1.0
    reads = (2 if chosen.reads_again else 1) / chosen.updates_per_rollout
    shown = _shown(stage, facts or {}) if stage.objective == SELF_DISTILLATION else 0.0
    return Rollouts(chosen.group, chosen.max_new_tokens, reads, questions, shown)


def _shown(stage: Stage, facts: Mapping[str, DataFacts]) -> float:
    """Tokens that a teacher reads beside the question: the words of its prompt, the answer, and a context, in the mean
    over rows."""
    chosen, words = stage.rollouts, "\n".join(stage.rollouts.prompt)

    def mean(names: list[str], which: str) -> float:
        known = [one for name in names if (one := facts.get(name)) and one.counts_per_pass and one.rows]
        return max((getattr(one.counts_per_pass, which) / one.rows for one in known), default=0.0)

    found = words.count("{answer}") * mean(list(stage.mix), "labels")
    if chosen.context is not None:
        found += words.count("{context}") * mean([chosen.context], "tokens")
    return found + len(words) / CHARACTERS


def rollouts_note(recipe: Recipe, plan: StagePlan) -> str:
    """One line; "" for a stage that draws nothing."""
    stage = recipe.stages[plan.name]
    found = rollouts_of(stage, plan)
    if found is None:
        return ""
    chosen = stage.rollouts
    text = f"Stage {plan.name} draws {chosen.group} answer{'s' if chosen.group > 1 else ''} to each question"
    if plan.samples is not None:
        drawn = round(plan.samples * found.questions / chosen.updates_per_rollout) * chosen.group
        text += f", {drawn:,} in all of at most {chosen.max_new_tokens} tokens"
    times = (
        "each update reads them" if chosen.updates_per_rollout == 1 else f"{chosen.updates_per_rollout} updates each"
    )
    text += f"; {times}, forward and backward"
    if chosen.reads_again and (held := kept(recipe, plan.name, plan.parts)) is not None:
        text += f", and the model that it starts from once, of which {gib(held.bytes())} are held beside"
    if stage.objective == SELF_DISTILLATION:
        text += f", with {'its answer' if chosen.context is None else f'a row of {chosen.context}'} before each"
    return f"{text}. Drawing is reckoned as fast as reading, and is slower"
