"""What a person may write of a stage's loss and of its optimizer.

Built in are the names below; others are a user's own, by entry points of installed packages
(docs/extending/objectives.md).
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from data_builders.shared.plugins import Plugins

from .keys import AS_TUPLE, Fraction01, Name, Positive, Section, Texts

GRPO, SELF_DISTILLATION = "grpo", "self_distillation"
OBJECTIVES = ("answers", "dpo", "heads", GRPO, SELF_DISTILLATION)  # "merge" is that of a stage without training
# The paper's words (section 3), but for "including the thinking process": answers here are without any.
DEMONSTRATION = (
    "{question}",
    "",
    "This is an example for a response to the question:",
    "{answer}",
    "",
    "Now answer with a response of your own.",
)
AUXILIARY = ("supcon", "patch_align")  # for image tokens as the projector gives them
KEEP = "keep"  # the addition that a stage's `keep` makes
WITHOUT_TOKENS = ("heads", "merge", "best")  # these learn from no rows as tokens
PAIRED = ("dpo",)  # these learn from rows with a chosen and a rejected answer
# Users' own, made with the stage's `options`; what is made is checked where it is made.
OWN = Plugins(
    "fgtrain.objectives",
    "a subclass of fgtrain.training.objectives.LossPart",
    (*OBJECTIVES, *AUXILIARY, KEEP, *WITHOUT_TOKENS),
)


class OptimizerChoice(Section):
    """AdamW, or SGD with momentum, which moves weights less where gradients are small (arXiv 2211.09359)."""

    name: Literal["adamw", "sgd"] = "adamw"  # which of the two
    betas: Annotated[tuple[Fraction01, Fraction01], AS_TUPLE] = (0.9, 0.999)  # adamw
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # sgd


class Keep(Section):
    """What a stage is held near to: the answers' distribution of a checkpoint, on rows that the stage learns from."""

    kl: Annotated[float, Field(ge=0)]  # weight of KL(checkpoint || now), nats over the whole vocabulary; 0 = not kept
    to: Name | None = None  # start, or an earlier stage; null = what the stage starts from
    on: Texts | None = None  # data sets of the stage's mix; null = all


class GrpoSettings(Section):
    """Objective grpo (arXiv 2402.03300): how answers are drawn, what they are worth, how far one rollout leads."""

    group: Annotated[int, Field(ge=2)] = 8  # answers drawn to each question
    temperature: Annotated[float, Field(gt=0)] = 1.0  # at which answers are drawn
    max_new_tokens: Positive = 32  # of an answer, its end included
    reward: Literal["strict", "level"] = "strict"  # level: less than 1 for the right name of a coarser level
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2  # of the ratio of probabilities, at either side of 1
    kl: Annotated[float, Field(ge=0)] = 0.04  # weight of the KL to the stage's start; 0 = no reference is held
    updates_per_rollout: Positive = 1  # optimizer steps on the same rows and answers; the stage's steps stay as many

    @property
    def reads_again(self) -> bool:
        """Does a second model read what is drawn?"""
        return self.kl > 0


class SelfDistillation(Section):
    """Objective self_distillation (arXiv 2601.19897): how answers are drawn, and what their teacher is shown."""

    group: Positive = 1  # answers drawn to each question
    temperature: Annotated[float, Field(gt=0)] = 1.0  # at which answers are drawn
    max_new_tokens: Positive = 32  # of an answer, its end included
    prompt: Texts = DEMONSTRATION  # lines of what the teacher is asked, with {question}, {answer} and {context}
    context: Name | None = None  # data set whose texts are {context}: a drawn row of the same category
    ema: Annotated[float, Field(ge=0, lt=1)] = (
        0.0  # how far the teacher follows in a step; 0 = it stays the stage's start
    )
    updates_per_rollout: ClassVar[int] = 1
    reads_again: ClassVar[bool] = True


class Preference(Section):
    """How objective `dpo` prefers one answer to another; the formulas: fgtrain.training.objectives.dpo."""

    beta: Annotated[float, Field(gt=0)] = 0.1  # how dearly the model that the stage starts from is kept
    # DPO (arXiv 2305.18290), IPO (2310.12036), or SLiC's hinge (2309.06657)
    variant: Literal["sigmoid", "ipo", "hinge"] = "sigmoid"
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0  # sigmoid: how often rejected would be right
    sft_weight: Annotated[float, Field(ge=0)] = 0.0  # of the chosen answer's cross entropy, added


def known_objectives() -> list[str]:
    return [*OBJECTIVES, *OWN.installed()]


def known_additions() -> list[str]:
    return [*AUXILIARY, *OWN.installed()]


def additions(stage: Any) -> Iterator[tuple[str, float]]:
    """(name, weight) of what a stage adds to its objective; weight 0 adds nothing."""
    if stage.keep is not None and stage.keep.kl:
        yield KEEP, stage.keep.kl
    yield from ((name, weight) for name, weight in stage.auxiliary.items() if weight)


def trained_by(stage: Any) -> str:
    """The objective and the names of what is added to it: what code trains the stage."""
    return "+".join((stage.objective, *sorted(name for name, _ in additions(stage))))
