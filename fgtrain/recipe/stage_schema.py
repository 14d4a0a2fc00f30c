"""What a person may write of a stage that trains, and how it is told from one that averages or takes the best."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_serializer

from .best_stage import BestStage
from .keys import MERGES, TAKES, TRAINS, Augments, Fraction01, Positive, Section, StageName
from .merge_stage import MergeStage
from .model_schema import DECOMPOSED, Chat, InitOn, MaybeEma, Part, PartLearns
from .objective_schema import (
    GRPO,
    SELF_DISTILLATION,
    GrpoSettings,
    Keep,
    OptimizerChoice,
    Preference,
    SelfDistillation,
    trained_by,
)
from .problems import nearest
from .watch_schema import KeepBest, StopWhen


class Stage(Section):
    """One stage of training: what learns (the rest is frozen), on what, how."""

    enabled: bool = True  # false: the stage is passed over, as if it were not written
    after: StageName | None = None  # the stage that it starts from; null = the one before, or the untrained model
    train: dict[Part, PartLearns]  # part -> its peak learning rate, or how it learns; unlisted = frozen
    mix: dict[str, Annotated[float, Field(gt=0, le=1_000_000)]]  # data set -> passes; 0.5 = a random half
    global_batch_size: Positive  # samples per optimizer step, all devices
    steps: Positive | None = None  # optimizer steps, all of them full: the passes of `mix` are proportions then
    warmup_fraction: Fraction01 = 0.03  # of this stage's optimizer steps
    weight_decay: Annotated[float, Field(ge=0)] = 0.0  # decoupled (times the learning rate), of all that learns
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0  # of the whole gradient; null = no clipping
    min_lr_fraction: Fraction01 = 0.0  # of the peak, at the end of the cosine
    # Of each label: 1 (token), 1 / labels of its sample (sample), 1 / square root of them (sqrt)
    loss_weighting: Literal["token", "sample", "sqrt"] = "token"
    augment: Augments = "none"  # of every picture; or data set -> how, and pictures of the others stay as they are
    augment_views: Positive | None = None  # fixed views per image; null = a new one each pass
    ema: MaybeEma = None  # decay of the average of weights that the checkpoint holds; null = the last weights
    checkpoint_every_steps: Positive = 200  # optimizer steps between states that a stopped stage goes on from
    objective: str = "answers"  # what is minimised: answers, dpo, heads, grpo, self_distillation, or your own
    grpo: GrpoSettings | None = None  # null under objective grpo = its defaults
    self_distillation: SelfDistillation | None = None  # null under objective self_distillation = its defaults
    dpo: Preference | None = None  # of objective dpo; null = its defaults
    auxiliary: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)  # what is added -> its weight
    keep: Keep | None = None  # which checkpoint's answers the stage is held near to
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)  # the user's own objective or addition -> options
    optimizer: OptimizerChoice | None = None  # null = AdamW
    chat: Chat | None = None  # turn template of its rows; null = model.chat, which checkpoints are asked in anyway
    stop_when: StopWhen | None = None  # ends the stage early where too much is forgotten (docs/strategies.md)
    keep_best: KeepBest | None = None  # keeps the best checkpoint of the stage beside its last

    @property
    def watched(self) -> bool:
        """Does what the subset answers while the stage trains decide what comes out of it?"""
        return self.stop_when is not None or self.keep_best is not None

    @property
    def augmented(self) -> dict[str, str]:
        """Data set -> how its pictures are augmented, without those that stay as they are."""
        chosen = self.augment if isinstance(self.augment, dict) else dict.fromkeys(self.mix, self.augment)
        return {name: how for name, how in chosen.items() if how != "none"}

    @property
    def trained_by(self) -> str:
        """The objective and what is added to it, as Plan.code names them."""
        return trained_by(self)

    @property
    def rollouts(self) -> GrpoSettings | SelfDistillation | None:
        """How answers are drawn; None for a stage that draws none."""
        if self.objective == SELF_DISTILLATION:
            return self.self_distillation or SelfDistillation()
        return (self.grpo or GrpoSettings()) if self.objective == GRPO else None

    @property
    def context(self) -> str | None:
        """The data set of which the teacher is shown rows."""
        return self.rollouts.context if self.objective == SELF_DISTILLATION else None

    @property
    def pictures_fixed(self) -> bool:
        """Are there only so many pictures that what a frozen encoder makes of them can be kept?"""
        return not self.augmented or self.augment_views is not None

    @property
    def decomposes(self) -> bool:
        """Do adapters begin with decompositions, which another device may compute otherwise?"""
        return any(how.lora is not None and how.lora.init in DECOMPOSED for how in self.train.values())

    @property
    def looks_at(self) -> dict[str, InitOn]:
        """Part -> the rows whose activations decide what its adapters begin with."""
        return {part: how.lora.init_on for part, how in self.train.items() if how.lora and how.lora.init_on}

    @property
    def reads(self) -> tuple[str, ...]:
        """The data sets that it needs: those of its mix first, then those that it only looks at."""
        shown = [self.context] if self.context is not None else []
        return tuple(dict.fromkeys([*self.mix, *(rows.data for rows in self.looks_at.values()), *shown]))

    @field_serializer("mix")
    def _whole_passes_without_fraction(self, mix: dict[str, float]) -> dict[str, Any]:
        return {name: int(passes) if passes == int(passes) else passes for name, passes in mix.items()}


def _kind_of_stage(value: Any) -> str:
    if not isinstance(value, dict):
        return {MergeStage: MERGES, BestStage: TAKES}.get(type(value), TRAINS)
    for word, kind in (("best_of", TAKES), ("merge", MERGES)):
        meant = not {"train", "mix"} & set(value) and any(nearest(key, [word]) for key in value)
        if word in value or meant:
            return kind
    return TRAINS


AnyStage = Annotated[
    Annotated[Stage, Tag(TRAINS)] | Annotated[MergeStage, Tag(MERGES)] | Annotated[BestStage, Tag(TAKES)],
    Discriminator(_kind_of_stage),
]
