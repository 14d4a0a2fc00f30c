"""What it costs to draw answers and to learn from them: counts, work, and a line for people. Pure, and at most."""

from dataclasses import dataclass

from fgtrain.counts import Counts
from fgtrain.recipe import MergeStage, Recipe, Stage

from .cost import ModelShape, training_work
from .keeping import kept
from .layout import gib
from .schema import StagePlan


@dataclass(frozen=True)
class Rollouts:
    """Of one stage. `questions`: of a sample, in the mean."""

    group: int
    max_new_tokens: int
    reads: float  # forward passes beside those that learn, for each of these: drawing, and the reference's
    questions: float

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
        return self.reads * forward.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)


def rollouts_of(stage: Stage | MergeStage, plan: StagePlan) -> Rollouts | None:
    """None for a stage that draws nothing."""
    chosen = stage.rollouts
    if chosen is None:
        return None
    questions = plan.questions / plan.samples if plan.questions and plan.samples else 1.0
    reads = (2 if chosen.kl else 1) / chosen.updates_per_rollout
    return Rollouts(chosen.group, chosen.max_new_tokens, reads, questions)


def rollouts_note(recipe: Recipe, plan: StagePlan) -> str:
    """One line; "" for a stage that draws nothing."""
    stage = recipe.stages[plan.name]
    found = rollouts_of(stage, plan)
    if found is None:
        return ""
    chosen = stage.rollouts
    text = f"Stage {plan.name} draws {chosen.group} answers to each question"
    if plan.samples is not None:
        drawn = round(plan.samples * found.questions / chosen.updates_per_rollout) * chosen.group
        text += f", {drawn:,} in all of at most {chosen.max_new_tokens} tokens"
    times = (
        "each update reads them" if chosen.updates_per_rollout == 1 else f"{chosen.updates_per_rollout} updates each"
    )
    text += f"; {times}, forward and backward"
    if chosen.kl and (held := kept(recipe, plan.name, plan.parts)) is not None:
        text += f", and the model that it starts from once, of which {gib(held.bytes())} are held beside"
    return f"{text}. Drawing is reckoned as fast as reading, and is slower"
