"""What it costs to hold a stage near to a checkpoint: a second model's forward pass, and what of it is held. Pure."""

from dataclasses import dataclass

from fgtrain.counts import LOGITS_AT_ONCE, Counts
from fgtrain.recipe import Recipe

from .arithmetic import BYTES_FP32
from .cost import ModelShape, Work, training_work
from .layout import gib
from .lineage import kept_to, starts_from
from .schema import PartPlan, StagePlan

EYES = {"vision_encoder", "projector"}


@dataclass(frozen=True)
class Kept:
    """`parameters`: of the reference, that are not those of the model that learns; `same_eyes`: it reads that model's
    image tokens."""

    parameters: int
    same_eyes: bool

    def work(self, shape: ModelShape, learning: dict[str, float], encoder_runs: bool) -> Work:
        """Beside the stage's own: the reference's forward pass, and the vocabulary a second time for both."""
        forward = training_work(shape, {}, encoder_runs)
        again = training_work(shape, learning, encoder_runs)
        return Work(
            per_token=forward.per_token,
            per_pair=forward.per_pair,
            per_label=forward.per_label + again.per_label,
            per_image_token=0.0 if self.same_eyes else forward.per_image_token,
        )

    def bytes(self, shape: ModelShape | None = None, counts: Counts | None = None) -> int:
        """Of one device beside the stage's own: weights, and with a shape and a micro-batch, at most one layer's values
        and the logits of both models."""
        held = BYTES_FP32 * self.parameters
        if shape is None or counts is None:
            return held
        layer = 4 * shape.hidden + 2 * (shape.heads + shape.kv_heads) * shape.head_size + 3 * shape.intermediate
        labels = min(counts.labels, max(1, LOGITS_AT_ONCE // shape.vocabulary))
        return held + BYTES_FP32 * (counts.tokens * layer + 3 * labels * shape.vocabulary)


def kept(recipe: Recipe, name: str, parts: tuple[PartPlan, ...]) -> Kept | None:
    """None where the stage is held near to nothing, or its parameters are not known. A stage that draws answers is held
    near to its start."""
    rollouts = recipe.stages[name].rollouts
    to = starts_from(recipe, name) if rollouts is not None and rollouts.reads_again else kept_to(recipe, name)
    if to is None or any(part.parameters is None or part.trainable is None for part in parts):
        return None
    if to != starts_from(recipe, name):
        return Kept(sum(part.parameters for part in parts), same_eyes=False)
    train = recipe.stages[name].train
    # Adapters that take a piece of the weights out of them change at most all of the part.
    changed = sum(
        part.trainable if train[part.part].adapter is None else part.parameters
        for part in parts
        if part.learns and not train[part.part].leaves_weights
    )
    return Kept(changed, EYES.isdisjoint(train))


def keeping_note(recipe: Recipe, stage: StagePlan) -> str:
    """One line for people; "" where the stage is held near to nothing."""
    to = kept_to(recipe, stage.name)
    if to is None:
        return ""
    chosen, found = recipe.stages[stage.name].keep, kept(recipe, stage.name, stage.parts)
    rows = f"the rows of {', '.join(chosen.on)}" if chosen.on is not None else "all rows"
    text = f"Stage {stage.name} is held near to {to}: {chosen.kl:g} x KL on {rows}. A second forward pass"
    return text if found is None else f"{text}, and {gib(found.bytes())} of weights that are held twice"
