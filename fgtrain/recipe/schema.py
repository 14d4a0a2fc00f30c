"""What a person may write in a recipe: every key, its type, its default, its unit. Each thing is said once.

A recipe holds what was chosen; what follows from it (steps, tokens, memory) is the plan's. Keys that nobody declared
are refused. Paths keep their `{data_root}` and `{built_root}` until they are needed (`Recipe.path`), so a recipe can be
planned on a machine that has no data.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator, model_validator

from data_builders.shared.llm.keys import KEY_VARIABLES
from data_builders.sources import SourceName
from fgtrain.errors import UserError

PARTS = ("vision_encoder", "projector", "language_model")
PLACEHOLDERS = ("data_root", "built_root")
START = "start"  # in evaluation.at: before any training
PROJECTOR_PATTERN = r"^((norm_)?(linear|mlp[1-9]\d*x_gelu)|pixel_shuffle_mlp[1-9]\d*x_gelu)$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # names are folder names and parts of dotted keys

Chat = Literal["qa", "plain", "vicuna_v1", "chatml", "qwen2_5_vl", "internvl2_5", "internvl3", "llava_onevision"]
COMPOSED_DEFAULTS = {"image_size": 224, "max_tiles": 1, "chat": "qa"}
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Part = Literal["vision_encoder", "projector", "language_model"]
LAYERS_PATTERN = r"(\d+)(?:-(\d+))?|(?:last|first) [1-9]\d*"
# YAML has lists only; a tuple cannot be changed by whoever holds the recipe.
_AS_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Texts = Annotated[tuple[str, ...], _AS_TUPLE]
Tags = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], _AS_TUPLE]
Positive = Annotated[int, Field(gt=0)]
Fraction01 = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    # strict: the text "8" is not the number 8, and `on` is not 1.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Lora(Section):
    """Low-rank adapters on a part, instead of its own weights."""

    rank: Positive = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Texts | None = None  # module names; null = all linear layers of the part


class TrainPart(Section):
    """How a part learns. In a recipe a bare number is its learning rate."""

    lr: Annotated[float, Field(gt=0)]  # peak
    only: Literal["attention", "gate_up"] | None = None  # these projections; null = all of the part
    layers: str | None = None  # "last 4", "first 2", "20-23" (from 0, both included); null = all
    lora: Lora | None = None

    @field_validator("layers", mode="before")
    @classmethod
    def _a_range_of_layers(cls, value: Any) -> Any:
        text = str(value) if type(value) is int else value
        match = re.fullmatch(LAYERS_PATTERN, text) if isinstance(text, str) else None
        if value is not None and (match is None or (match[2] and int(match[1]) > int(match[2]))):
            raise ValueError("which layers is not clear. Write last 4, first 2, 20-23 (from 0, both included) or 7")
        return text


def _part_from_number(value: Any) -> Any:
    return value if isinstance(value, dict | TrainPart) else {"lr": value}


class Model(Section):
    """A released LVLM (`checkpoint`), or one composed of three parts with a fresh projector.

    image_size, max_tiles and chat: null = as the checkpoint has them; a composed model has defaults of its own.
    """

    checkpoint: str | None = None
    vision_encoder: str | None = None  # hub id or folder
    projector: Annotated[str, Field(pattern=PROJECTOR_PATTERN)] | None = None
    projector_width: Positive | None = None  # hidden width; null = the language model's hidden size
    language_model: str | None = None  # hub id or folder
    from_scratch: tuple[Part, ...] = ()  # parts whose folder holds a config only; their weights are drawn
    vision_layer: int = -1  # hidden state taken from the encoder (LLaVA-1.5: -2)
    image_size: Positive | None = None  # pixels, square (of a tile); composed: 224
    image_tokens: Positive | None = None  # per image after pooling; null = as many as the encoder gives
    max_tiles: Positive | None = None  # per image, thumbnail not counted; composed: 1
    max_pixels: Positive | None = None  # of an image, for checkpoints that take it in its own size; null = as they say
    max_tokens: Positive = 512  # per sample, image tokens included
    chat: Chat | None = None  # composed: qa

    @model_validator(mode="before")
    @classmethod
    def _composed_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("checkpoint") is not None:
            return values
        given = {key: value for key, value in values.items() if value is not None or key not in COMPOSED_DEFAULTS}
        return COMPOSED_DEFAULTS | given

    @field_validator("from_scratch", mode="before")
    @classmethod
    def _tuple_of_parts(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("image_tokens")
    @classmethod
    def _a_square(cls, value: int | None) -> int | None:
        if value is not None and round(value**0.5) ** 2 != value:
            below = int(value**0.5)
            nearest = ", ".join(str(side**2) for side in (below, below + 1) if side)
            raise ValueError(f"not a square (image tokens are pooled to a square grid). Nearest that are: {nearest}")
        return value


class ExpectedRow(Section):
    """What a row holds on average, told for plans that are made before the data is here. Decides nothing else."""

    pictures: Annotated[float, Field(ge=0)] = 1.0  # 0.9 = one row in ten is text only
    width: Positive = 512  # pixels of a picture
    height: Positive = 512
    text_tokens: Positive  # all texts, image tokens not counted
    learnt_tokens: Positive  # of these, the answers'
    most_text_tokens: Positive | None = None  # of the longest row; null = as many as model.max_tokens leaves


class DataSet(Section):
    """A training set: built by `what` at <built_root>/<name>, or one that lies at `path` already."""

    what: str | None = None  # a builder: python -m data_builders WHAT
    root: str | None = None  # the builder's source
    options: dict[str, Any] = {}  # the builder's options
    path: str | None = None
    rows: Positive | None = None  # declared; lets a plan count without the data, and is checked against the manifest
    images_in: Texts = ()  # folders beside data_root, built_root and its own that its images, or links to them, lie in
    max_cut_fraction: Fraction01 = 0.05  # of its rows, that model.max_tokens may cut: a cut answer never ends
    expected: ExpectedRow | None = None  # lets a plan estimate tokens, time and memory without the data; else unused


class Prepare(Section):
    """A builder command that makes worlds or benchmark files before anything else."""

    what: str
    root: str | None = None
    out: str
    options: dict[str, Any] = {}


class Stage(Section):
    """One stage of training: what learns (the rest is frozen), on what, how."""

    enabled: bool = True
    train: dict[Part, Annotated[TrainPart, BeforeValidator(_part_from_number)]]
    mix: dict[str, Annotated[float, Field(gt=0)]]  # data set -> passes; 0.5 = a random half
    global_batch_size: Positive  # samples per optimizer step, all devices
    steps: Positive | None = None  # optimizer steps, all of them full: the passes of `mix` are proportions then
    warmup_fraction: Fraction01 = 0.03  # of this stage's optimizer steps
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0  # of the whole gradient; null = no clipping
    min_lr_fraction: Fraction01 = 0.0  # of the peak, at the end of the cosine
    loss_weighting: Literal["token", "sample", "sqrt"] = "token"
    augment: Literal["none", "flip_crop", "autoaugment"] = "none"
    augment_views: Positive | None = None  # fixed views per image; null = a new one each pass
    checkpoint_every_steps: Positive = 200
    objective: Literal["answers", "heads"] = "answers"

    @field_serializer("mix")
    def _whole_passes_without_fraction(self, mix: dict[str, float]) -> dict[str, Any]:
        return {name: int(passes) if passes == int(passes) else passes for name, passes in mix.items()}


class Devices(Section):
    """Where it runs. Nothing here but `precision` changes what is learnt."""

    count: Positive = 1  # per node
    nodes: Positive = 1
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    strategy: Literal[
        "auto", "single", "ddp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3", "fsdp"
    ] = "auto"
    offload: Literal["optimizer", "parameters"] | None = None  # to host memory: optimizer states; weights as well
    precision: Literal["fp32", "bf16"] = "fp32"
    per_device_batch_size: Positive = 8  # samples per device and micro-batch
    # Most tokens in a row; null = a micro-batch is one row without padding. For language models that run no packed
    # attention: their mask grows with the square of the row.
    pack_tokens: Positive | None = None
    activation_checkpointing: bool = False  # layers are computed again in the backward pass: slower, much less memory
    workers: Annotated[int, Field(ge=0)] = 0  # loader processes per device
    timeout_minutes: Positive = 30  # that processes wait for each other; one that fails ends the others at once anyway
    bad_rows: Annotated[int, Field(ge=0)] = 0  # quota of unreadable rows; 0 = the first one stops the run

    @property
    def world_size(self) -> int:
        """Devices over all nodes."""
        return self.count * self.nodes


class FeatureSource(Section):
    """A data set in its official layout, with training and test pictures."""

    source: SourceName
    root: str


class Features(Section):
    """What can be read off the vision encoder's features at checkpoints, without the language model.

    Several sources are also measured as one (FG-BMK's meta-classes), where `measures` names the probe.
    """

    sources: Annotated[tuple[FeatureSource, ...], _AS_TUPLE]
    at: Texts | None = None  # checkpoints; null = as evaluation.at
    parts: Annotated[tuple[Literal["encoder", "projector"], ...], _AS_TUPLE] = ("encoder", "projector")  # behind which
    measures: Annotated[tuple[Literal["probe", "knn", "retrieval", "robustness"], ...], _AS_TUPLE] = (
        "probe",
        "knn",
        "retrieval",
    )
    protocols: Annotated[tuple[Literal["default", "fgbmk", "dinov2"], ...], _AS_TUPLE] = ("default",)  # of the probe
    level: str | None = None  # of names; null = each source's finest
    gallery: Literal["train", "test"] = "train"  # that is retrieved from
    images_per_class: Positive | None = None  # training pictures, and test pictures; null = all
    attack_images: Positive | None = None  # test pictures that robustness attacks; null = all
    batch_size: Positive = 32  # pictures encoded at once


class Judge(Section):
    """A model behind an OpenAI-compatible endpoint that judges open-world answers, beside the rules."""

    model: str = "gpt-4o-mini"
    base_url: str | None = None  # null = $OPENAI_BASE_URL, else OpenAI's own
    key_variable: Literal[KEY_VARIABLES] = "OPENAI_API_KEY"  # holds the key
    tasks: Texts = ("frow",)  # of evaluation.tasks
    at: Texts | None = None  # checkpoints; null = as evaluation.at
    requests: Positive = 5000  # most that are sent for a checkpoint, over all starts, retried ones too
    tokens: Positive | None = None  # most that are paid for a checkpoint, over all starts
    with_image: bool = True  # false: it reads the texts alone, which is another judge
    temperature: Annotated[float, Field(ge=0)] | None = 0.0  # null = the endpoint's own
    max_tokens: Positive | None = None  # of a reply; null = the endpoint's own
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None  # that the endpoint allows
    concurrency: Positive = 4  # requests at the same time
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0  # to wait for a reply


class Evaluation(Section):
    at: Texts  # checkpoints scored in full: start and stages; left out = start and every enabled stage
    every_steps: Positive | None = None  # a fixed subset in between, for the curves
    subset: Positive = 50  # questions per task in between
    tasks: Texts = ()
    # Task, part of its name up to a "/", or glob -> what it asks for, where its task file says otherwise; the last that
    # fits counts. With {fgbmk/fungi: general} what the model could do on fungi before is what it may forget.
    groups: dict[str, Literal["fine_grained", "general"]] = {}
    data: Texts = ("{data_root}", "{built_root}")  # folders searched for question files
    batch_size: Positive = 64  # questions asked at once
    limit: Positive | None = None  # most questions per task of a full evaluation; null = all
    features: Features | None = None
    judge: Judge | None = None  # needs network: true


class EncoderCache(Section):
    """Outputs of a frozen vision encoder, kept on disk: it runs once per picture instead of in every pass.

    Only for pictures that become one square each; tiles and pictures of their own size are encoded as they come.
    """

    enabled: bool = True
    max_gib: Annotated[float, Field(gt=0)] = 200.0  # of a stage's pictures; a stage that would need more goes without


class Wandb(Section):
    project: str = "fgtrain"
    entity: str | None = None  # user or team; null = the key's own
    enabled: bool = True
    group: str | None = None  # a study gives its name, where none is written
    tags: Tags = ()  # a study adds the arm and the seed


class Recipe(Section):
    """The whole recipe, resolved: no `extends`, every default filled in. See `load_recipe`."""

    name: Name  # also the run folder's name
    seed: Annotated[int, Field(ge=0)] = 17
    network: bool = False  # downloads from the hub and online W&B only when true
    data_root: str | None = None  # folder of downloads in their official layouts
    built_root: str = "data"  # training sets are built at <built_root>/<name>
    runs_root: str = "runs"  # the run lies at <runs_root>/<name>
    model: Model
    data: dict[Name, DataSet] = {}
    prepare: Annotated[tuple[Prepare, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)] = ()
    stages: dict[Name, Stage] = {}
    devices: Devices = Devices()
    encoder_cache: EncoderCache = EncoderCache()
    evaluation: Evaluation
    wandb: Wandb = Wandb()

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
    def enabled_stages(self) -> dict[str, Stage]:
        """The stages that run, in order."""
        return {name: stage for name, stage in self.stages.items() if stage.enabled}

    @property
    def mixed_data(self) -> list[str]:
        """The data sets that enabled stages name, in the order of `data`."""
        named = {name for stage in self.enabled_stages.values() for name in stage.mix}
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
        found = [self.path(text, f"{key}.images_in") for text in data_set.images_in]
        found += [self.path(root) for root in (self.data_root, self.built_root) if root is not None]
        return found + ([self.path(data_set.root, f"{key}.root")] if data_set.root is not None else [])

    def evaluation_folders(self) -> list[Path]:
        """Where question files are searched. The bare `{data_root}` is left out when it is not given."""
        chosen = [text for text in self.evaluation.data if text != "{data_root}" or self.data_root is not None]
        return [self.path(text, "evaluation.data") for text in chosen]

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

    def stage_store(self, fingerprint: str) -> Path:
        """The folder that holds the stage's checkpoint for every recipe with the same fingerprint."""
        return self.path(self.runs_root, "runs_root") / ".stages" / fingerprint
