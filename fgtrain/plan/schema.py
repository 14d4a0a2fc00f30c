"""What a plan is: every number that follows from a recipe, before anything runs. Plain data with a JSON round trip.

None always means unknown (a model or a data set that is not here), never zero.
"""

from pydantic import BaseModel, ConfigDict

from data_builders.shared.code_identity import CodeIdentity

from .cost import Work


class Numbers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataPlan(Numbers):
    """One data set in one stage."""

    name: str
    rows: int | None
    passes: float  # as the recipe says, or as its stage's `steps` scale them
    samples: int | None  # rows x passes
    questions: int | None
    tokens: int | None
    sha256: str | None
    code: str | None = None  # hash of the code that built it
    declared: bool
    expected: bool = False  # tokens are an estimate
    chosen: str | None = None  # of replayed rows, what decides which they are


class ChoicePlan(Numbers):
    """Choosing the rows of one set that a stage replays."""

    data: str
    of: tuple[str, ...]  # data sets
    by: str
    between: tuple[str, str] | None = None  # checkpoints that read the candidates; None = nothing is read
    answered_by: str | None = None  # checkpoint whose own answers the rows get
    candidates: int | None  # rows
    tokens: int | None = 0  # read forward, by both
    seconds: float | None = 0.0  # an estimate, by all devices


class BatchPlan(Numbers):
    """global_batch_size = per_device x devices x accumulation, in samples."""

    global_batch_size: int
    per_device: int
    devices: int
    accumulation: int  # micro-batches per optimizer step
    last_step_samples: int | None  # the last step takes what is left


class PartPlan(Numbers):
    """One part of the model in one stage."""

    part: str
    parameters: int | None
    learns: bool
    learning_rate: float | None  # peak; None = frozen
    only: str | None = None  # the projections that learn; None = all
    layers: str | None = None  # the layers that learn; None = all
    lora_rank: int | None
    adapter: str | None = None  # how it is not plain LoRA: init mica, osf keep 0.5, ...
    added: int | None = 0  # numbers that adapters hold beside the part's own
    trainable: int | None  # parameters that learn, those of LoRA's adapters included
    updates: int | None  # optimizer steps that move it
    ema: float | None = None  # decay of the average of its weights; None = the last weights are kept
    shares: dict[str, float] = {}  # checkpoint -> its share, where checkpoints are averaged


class EncoderPlan(Numbers):
    """The vision encoder in one stage."""

    cached: bool  # kept outputs stand for it
    why: str  # it does not; empty where it does
    views: dict[str, int | None]  # data set -> most different pictures that the stage sees, each view counted
    bytes: int | None  # of all of them, kept
    new_views: int | None = None  # of these, that no earlier stage has encoded; 0 where nothing is kept
    seconds: float | None = None  # an estimate: encoding the new ones, by all devices


class HostPlan(Numbers):
    """Bytes of host memory on a node, see fgtrain.plan.host."""

    loading: int
    training: int
    saving: int

    @property
    def most(self) -> int:
        return max(self.loading, self.training, self.saving)


class DiskPlan(Numbers):
    """Bytes on disk, see fgtrain.plan.disk."""

    checkpoints: int | None
    resume: int | None
    features: int | None
    answers: int | None
    served: int | None
    most: int | None


class EvaluationPlan(Numbers):
    """One checkpoint that is scored, or all subsets that are asked during a stage."""

    checkpoint: str
    during: bool
    questions: int | None
    images: int | None
    seconds: float | None  # an estimate, by all devices


class DeviceHours(Numbers):
    """Hours x devices; None as soon as a part is unknown."""

    training: float | None
    encoding: float | None
    evaluation: float | None
    all: float | None


class WatchPlan(Numbers):
    """What the subset decides about a stage while it trains."""

    every_steps: int
    looks: int | None  # at which it may stop early
    limit: float | None  # points that may be forgotten; None = it does not stop early
    best: bool  # is the best checkpoint kept beside the last?


class StagePlan(Numbers):
    name: str
    objective: str
    trained_by: str  # the objective and what is added to it: "answers+supcon"
    data: tuple[DataPlan, ...]
    samples: int | None
    questions: int | None
    tokens: int | None
    steps: int | None  # optimizer steps
    warmup_steps: int | None
    batch: BatchPlan | None  # None = nothing is trained
    parts: tuple[PartPlan, ...]
    memory_bytes: int | None  # peak per device: weights, gradients, AdamW states, and activations where they are known
    activation_bytes: int | None = None  # of the heaviest micro-batch, within memory_bytes; None = not counted there
    heaviest_tokens: int | None = None  # of a micro-batch
    device: str = "the devices"  # whose peak times are reckoned with
    device_holds: int | None = None  # bytes of the device that is here, else of the one that the plan reckons with
    smaller: dict[str, int] = {}  # what to write for less -> memory_bytes with it, about
    bounded: bool = False  # the heaviest micro-batch is a bound, no row has been counted
    host: HostPlan | None = None
    work: Work | None = None  # of the model
    flops: float | None = None  # of the whole stage, on all devices
    seconds: float | None = None  # an estimate: flops at ASSUMED_MFU of the device's peak
    encoder: EncoderPlan
    choices: tuple[ChoicePlan, ...] = ()  # of replayed rows, before it begins
    checkpoint: str  # Hugging Face folder, as the run shows it
    store: str  # where it really lies, shared by equal fingerprints
    fingerprint: str
    inputs: str  # as fingerprint, but whatever the program's code: equal inputs, another fingerprint = changed code
    provisional: bool  # the fingerprint will change once data and weights are here
    starts_from: str  # the checkpoint
    elsewhere: dict[str, str] = {}  # checkpoint of another run that is averaged -> its fingerprint
    watch: WatchPlan | None = None


class Plan(Numbers):
    name: str
    seed: int
    run_folder: str
    stages: tuple[StagePlan, ...]
    samples: int | None
    tokens: int | None
    steps: int | None
    lineage: tuple[str, ...]  # the stages that the last checkpoint comes from; others only inform or stand beside it
    exposures: dict[str, int | None]  # samples of each data set over the lineage
    updates: dict[str, int | None]  # optimizer steps that move each part, over the lineage
    image_tokens: int | None
    attention: str | None = None  # how the language model's is computed in training, and why so; None = unknown
    evaluated: tuple[str, ...]  # checkpoints scored in full
    tasks: tuple[str, ...]
    evaluations: tuple[EvaluationPlan, ...]
    questions_cached: bool  # kept outputs of the encoder stand for the pictures of questions
    device_hours: DeviceHours
    disk: DiskPlan
    notes: tuple[str, ...]
    code: dict[str, CodeIdentity] = {}  # trained_by of a stage -> what trains it
    commit: str | None = None
    versions: dict[str, str] = {}

    def stage(self, name: str) -> StagePlan:
        return next(stage for stage in self.stages if stage.name == name)
