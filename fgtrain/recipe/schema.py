"""What a person may write in a recipe: every key, its type, its default, its unit. Each thing is said once.

A recipe holds what was chosen; what follows from it (steps, tokens, memory) is the plan's. Keys that nobody declared
are refused. Paths keep their `{data_root}` and `{built_root}` until they are needed (`Recipe.path`), so a recipe can be
planned on a machine that has no data.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_serializer, model_validator

from fgtrain.errors import UserError

from .best_stage import BestStage
from .devices_schema import Devices
from .evaluation_schema import Evaluation
from .keys import (
    AS_TUPLE,
    MERGES,
    START,
    TAKES,
    TRAINS,
    Augments,
    Fraction01,
    Name,
    Positive,
    Section,
    Seed,
    StageName,
    Tags,
    Texts,
)
from .merge_stage import MergeStage
from .model_schema import DECOMPOSED, Chat, InitOn, MaybeEma, Model, Part, PartLearns
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
from .replay import REPLAY, ReplayOptions
from .watch_schema import KeepBest, StopWhen

PLACEHOLDERS = ("data_root", "built_root")


class ExpectedRow(Section):
    """What a row holds on average, told for plans that are made before the data is here. Decides nothing else."""

    pictures: Annotated[float, Field(ge=0)] = 1.0  # 0.9 = one row in ten is text only
    width: Positive = 512  # pixels of a picture
    height: Positive = 512  # the same
    text_tokens: Positive  # all texts, image tokens not counted
    learnt_tokens: Positive  # of these, the answers'
    most_text_tokens: Positive | None = None  # of the longest row; null = as many as model.max_tokens leaves


class DataSet(Section):
    """A training set: built by `what` at <built_root>/<name>, or one that lies at `path` already."""

    what: str | None = None  # a builder: python -m data_builders WHAT; or replay: rows of other sets, see replay.py
    root: str | None = None  # the builder's source
    options: dict[str, Any] = Field(default_factory=dict)  # the builder's options
    path: str | None = None  # folder of a set that is there already, in place of `what`
    rows: Positive | None = None  # declared; lets a plan count without the data, and is checked against the manifest
    images_in: Texts = ()  # folders beside data_root, built_root and its own that its images, or links to them, lie in
    max_cut_fraction: Fraction01 = 0.05  # of its rows, that model.max_tokens may cut: a cut answer never ends
    expected: ExpectedRow | None = None  # lets a plan estimate tokens, time and memory without the data; else unused

    @property
    def replay(self) -> ReplayOptions | None:
        """How rows of other sets are chosen for it; None where it has rows of its own."""
        return ReplayOptions.model_validate(self.options) if self.what == REPLAY else None


class Prepare(Section):
    """A builder command that makes worlds or benchmark files before anything else."""

    what: str  # as of a data set: python -m data_builders WHAT
    root: str | None = None  # the builder's source
    out: str  # folder that is written
    options: dict[str, Any] = Field(default_factory=dict)  # the builder's options


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


class EncoderCache(Section):
    """Outputs of a frozen vision encoder, kept on disk: it runs once per picture instead of in every pass.

    Only for pictures that become one square each; tiles and pictures of their own size are encoded as they come.
    """

    enabled: bool = True  # false: the frozen encoder runs in every pass
    max_gib: Annotated[float, Field(gt=0)] = 200.0  # of a stage's pictures; a stage that would need more goes without


class Wandb(Section):
    project: str = "fgtrain"  # where runs are listed
    entity: str | None = None  # user or team; null = the key's own
    enabled: bool = True  # false: nothing is written for W&B, offline neither
    group: str | None = None  # a study gives its name, where none is written
    tags: Tags = ()  # a study adds the arm and the seed
    arm: str | None = None  # what a view groups runs by, as `arm` of their configuration; a study gives the arm's name


class Recipe(Section):
    """The whole recipe, resolved: no `extends`, every default filled in. See `load_recipe`."""

    name: Name  # also the run folder's name
    seed: Seed = 17  # of every draw; seed=17,18,19 on the command line makes three runs
    network: bool = False  # downloads from the hub and online W&B only when true
    data_root: str | None = None  # folder of downloads in their official layouts
    built_root: str = "data"  # training sets are built at <built_root>/<name>
    runs_root: str = "runs"  # the run lies at <runs_root>/<name>
    model: Model  # what is trained
    data: dict[Name, DataSet] = Field(default_factory=dict)  # name -> training set, to be named in a `mix`
    prepare: Annotated[tuple[Prepare, ...], AS_TUPLE] = ()  # what is made before anything else, in this order
    stages: dict[StageName, AnyStage] = Field(default_factory=dict)  # name -> stage, in the order in which they run
    devices: Devices = Devices()  # where it runs
    encoder_cache: EncoderCache = EncoderCache()  # a frozen encoder's outputs on disk
    evaluation: Evaluation  # what is asked, and when
    wandb: Wandb = Wandb()  # curves and tables in Weights & Biases

    @model_validator(mode="before")
    @classmethod
    def _evaluate_everywhere(cls, values: Any) -> Any:
        """Without `evaluation.at`, the start and every enabled stage are evaluated."""
        if isinstance(values, dict) and isinstance(chosen := values.get("evaluation", {}), dict) and "at" not in chosen:
            stages = values.get("stages")
            stages = stages if isinstance(stages, dict) else {}
            enabled = [n for n, s in stages.items() if not (isinstance(s, dict) and s.get("enabled") is False)]
            values = {**values, "evaluation": {**chosen, "at": [START, *enabled]}}
        return values

    @property
    def enabled_stages(self) -> dict[str, Stage | MergeStage | BestStage]:
        """The stages that run, in order."""
        return {name: stage for name, stage in self.stages.items() if stage.enabled}

    @property
    def training_stages(self) -> dict[str, Stage]:
        """Those of them that train."""
        return {name: stage for name, stage in self.enabled_stages.items() if isinstance(stage, Stage)}

    @property
    def mixed_data(self) -> list[str]:
        """The data sets that enabled stages name, and those whose rows these replay, in the order of `data`."""
        named = {name for stage in self.enabled_stages.values() for name in stage.mix}
        named |= {name for stage in self.training_stages.values() for name in stage.reads}
        named |= {source for name in named if (replay := self.data[name].replay) is not None for source in replay.of}
        for stage in self.enabled_stages.values():  # and those of other runs that are averaged
            for run in stage.runs.values() if isinstance(stage, MergeStage) else ():
                named |= set(Recipe.model_validate(run.recipe).mixed_data)
        return [name for name in self.data if name in named]

    def text(self, text: str, key: str = "") -> str:
        """`text` with `{data_root}` and `{built_root}` filled in. UserError when the root it needs is not given."""

        def root(match: re.Match) -> str:
            value = getattr(self, match[1], None) if match[1] in PLACEHOLDERS else None
            if value is None:
                place = f"{key} is {text!r}" if key else repr(text)
                raise UserError(f"{place}, but {match[1]} is not given. Add {match[1]}=DIR to the command")
            return value

        return re.sub(r"\{(\w+)\}", root, text)

    def path(self, text: str, key: str = "") -> Path:
        """`text` as a path, placeholders and `~` filled in. `key`: where it stands in the recipe, for the message."""
        return Path(self.text(text, key)).expanduser()

    def filled(self, options: dict[str, Any], key: str = "") -> dict[str, Any]:
        """A builder's options with the placeholders in their texts filled in (a folder of category texts, say)."""

        def fill(value: Any, place: str) -> Any:
            if isinstance(value, dict):
                return {name: fill(one, f"{place}.{name}") for name, one in value.items()}
            if isinstance(value, list):
                return [fill(one, f"{place}.{number}") for number, one in enumerate(value)]
            return self.text(value, place) if isinstance(value, str) else value

        return fill(options, key)

    def data_folder(self, name: str) -> Path:
        """Where the training set `name` lies (or will lie once built)."""
        data_set = self.data[name]
        if data_set.path is not None:
            return self.path(data_set.path, f"data.{name}.path")
        return self.path(self.built_root, "built_root") / name

    def image_places(self, name: str) -> list[Path]:
        """Folders that the images of data set `name` may lie in, beside the set's own."""
        data_set, key = self.data[name], f"data.{name}"
        if data_set.replay is not None:
            return [self.data_folder(one) for one in data_set.replay.of] + [
                place for one in data_set.replay.of for place in self.image_places(one)
            ]
        found = [self.path(text, f"{key}.images_in") for text in data_set.images_in]
        found += [self.path(root) for root in (self.data_root, self.built_root) if root is not None]
        return found + ([self.path(data_set.root, f"{key}.root")] if data_set.root is not None else [])

    def evaluation_folders(self) -> list[Path]:
        """Where question files are searched. The bare `{data_root}` is left out when it is not given."""
        chosen = [text for text in self.evaluation.data if text != "{data_root}" or self.data_root is not None]
        return [self.path(text, "evaluation.data") for text in chosen]

    def task_folders(self) -> list[Path]:
        """Where task files of a user's own lie. UserError when a root that one names is not given."""
        return [self.path(text, "evaluation.tasks_from") for text in self.evaluation.tasks_from]

    def model_with_paths(self) -> Model:
        """The model section with placeholders filled in, as the model is built from it."""
        values = {
            key: self.text(value, f"model.{key}")
            for key in ("checkpoint", "vision_encoder", "language_model")
            if (value := getattr(self.model, key)) is not None
        }
        return self.model.model_copy(update=values)

    @property
    def file_memo(self) -> Path | None:
        """Where is remembered what reading large files through has found (hashes of weights). None without its root."""
        try:
            return self.path(self.built_root, "built_root") / ".cache" / "files.json"
        except UserError:
            return None

    @property
    def run_folder(self) -> Path:
        return self.path(self.runs_root, "runs_root") / self.name

    def replay_store(self, identity: str) -> Path:
        """The folder of a set of replayed rows, for every recipe that chooses the same ones."""
        return self.path(self.runs_root, "runs_root") / ".replay" / identity

    def stage_store(self, fingerprint: str) -> Path:
        """The folder that holds the stage's checkpoint for every recipe with the same fingerprint."""
        return self.path(self.runs_root, "runs_root") / ".stages" / fingerprint
