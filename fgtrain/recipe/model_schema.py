"""What a person may write of the model, and of how its parts learn."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .keys import AS_TUPLE, Fraction01, Positive, Section, Texts

PARTS = ("vision_encoder", "projector", "language_model")
PROJECTOR_PATTERN = r"^((norm_)?(linear|mlp[1-9]\d*x_gelu)|pixel_shuffle_mlp[1-9]\d*x_gelu)$"
Chat = Literal[
    "qa",
    "plain",
    "vicuna_v1",
    "mistral",
    "gemma3",
    "smolvlm",
    "chatml",
    "qwen2_5_vl",
    "qwen3_vl",
    "internvl2_5",
    "internvl3",
    "llava_onevision",
]
Fit = Literal["pad", "stretch", "crop"]
COMPOSED_DEFAULTS = {"image_size": 224, "max_tiles": 1, "chat": "qa"}
Part = Literal["vision_encoder", "projector", "language_model"]
LAYERS_PATTERN = r"(\d+)(?:-(\d+))?|(?:last|first) [1-9]\d*"


Init = Literal["orthogonal", "mica", "olora", "pissa", "corda"]  # see fgtrain/model/adapter_starts.py
PIECES = ("olora", "pissa", "corda")  # adapters that begin with a piece of the weight itself
DECOMPOSED = ("mica", *PIECES)  # that come from decompositions of the weight


class InitOn(Section):
    """Rows over which a data-driven initialisation looks at activations. In a recipe a bare name is the data set."""

    data: str  # a data set of the recipe
    rows: Positive = 256  # drawn ones of it, each once before any a second time


def _init_on_from_text(value: Any) -> Any:
    return value if value is None or isinstance(value, dict | InitOn) else {"data": value}


MaybeInitOn = Annotated[InitOn | None, BeforeValidator(_init_on_from_text)]


class Lora(Section):
    """Low-rank adapters on a part, instead of its own weights."""

    rank: Positive = 16  # of each adapter
    alpha: Annotated[float, Field(gt=0)] = 32.0  # an adapter is scaled by alpha / rank
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of what enters an adapter, while it learns
    targets: Annotated[Texts, Field(min_length=1)] | None = None  # module names; null = all linear layers of the part
    init: Init | None = None  # null = LoRA's own: drawn, and nothing
    # rows that corda looks at; a bare text is the data set
    init_on: MaybeInitOn = None
    # Of each intruder dimension, what is left of it after training (arXiv 2410.21228); null = all, and none is sought
    intruders: Fraction01 | None = None


class Osf(Section):
    """Orthogonal subspace fine-tuning of a part (arXiv 2504.07097): of each matrix the largest singular directions stay
    as they are, and the others learn, orthogonally to them."""

    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5  # of a matrix's singular directions
    targets: Annotated[Texts, Field(min_length=1)] | None = None  # module names; null = all linear layers of the part


class TrainPart(Section):
    """How a part learns. In a recipe a bare number is its learning rate."""

    lr: Annotated[float, Field(gt=0)]  # peak
    only: Literal["attention", "gate_up"] | None = None  # these projections; null = all of the part
    layers: str | None = None  # "last 4", "first 2", "20-23" (from 0, both included); null = all
    lora: Lora | None = None  # low-rank adapters in place of its weights
    osf: Osf | None = None  # a subspace of its weights in their place

    @property
    def adapter(self) -> "Lora | Osf | None":
        """What learns in the place of the part's own weights; None where these do."""
        return self.lora or self.osf

    @property
    def leaves_weights(self) -> bool:
        """Do the part's own weights stay as they are, all through the stage?"""
        return self.lora is not None and self.lora.init not in PIECES

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


PartLearns = Annotated[TrainPart, BeforeValidator(_part_from_number)]


class Ema(Section):
    """The exponential average of a stage's weights, which its checkpoint holds instead of the last ones.

    In a recipe a bare number is the decay. Step t decays by min(decay, (1 + t) / (10 + t)), so that a short stage does
    not remember its beginning for ever.
    """

    decay: Annotated[float, Field(ge=0, lt=1)]  # per optimizer step; 0 = the last weights
    parts: Annotated[tuple[Part, ...], AS_TUPLE, Field(min_length=1)] | None = None  # null = all that learn

    def of(self, part: str) -> bool:
        """Is the part averaged, where it learns?"""
        return self.parts is None or part in self.parts


def _ema_from_number(value: Any) -> Any:
    return value if value is None or isinstance(value, dict | Ema) else {"decay": value}


MaybeEma = Annotated[Ema | None, BeforeValidator(_ema_from_number)]


class Model(Section):
    """A released LVLM (`checkpoint`), or one composed of three parts with a fresh projector.

    image_size, max_tiles, fit and chat: null = as the checkpoint was published; a composed model has its own defaults.
    """

    checkpoint: str | None = None  # hub id or folder of a released LVLM, in place of the three parts
    vision_encoder: str | None = None  # hub id or folder
    # fresh: linear, mlp2x_gelu, ... (norm_: a LayerNorm first; pixel_shuffle_: four patches as one)
    projector: Annotated[str, Field(pattern=PROJECTOR_PATTERN)] | None = None
    projector_width: Positive | None = None  # hidden width; null = the language model's hidden size
    language_model: str | None = None  # hub id or folder
    from_scratch: tuple[Part, ...] = ()  # parts whose folder holds a config only; their weights are drawn
    vision_layer: int = -1  # hidden state taken from the encoder (LLaVA-1.5: -2)
    image_size: Positive | None = None  # pixels, square (of a tile); composed: 224
    image_tokens: Positive | None = None  # per image after pooling; null = as many as the encoder gives
    max_tiles: Positive | None = None  # per image, thumbnail not counted; composed: 1
    max_pixels: Positive | None = None  # of an image, for checkpoints that take it in its own size; null = as they say
    # Of a picture to the square: borders of the mean colour, another shape, its middle; composed: stretch
    fit: Fit | None = None
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
