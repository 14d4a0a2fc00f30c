"""What a stage costs in arithmetic and in memory, from the shape of its model and of its micro-batches. Pure.

Work is counted as model FLOPs: what the mathematics needs, not what activation checkpointing does twice.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

ASSUMED_MFU = 0.4  # of the device's peak, for times before anything has run


@dataclass(frozen=True)
class ModelShape:
    """The sizes that decide the work and the activations of one model."""

    hidden: int  # D
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    decoder_weights: int  # of the decoder's matrices; embeddings and lm_head not counted
    vision_flops: int  # forward, of one image token: vision encoder
    projector_flops: int  # forward, of one image token
    vision_activations: int  # values kept for the backward pass, of one image token, where the encoder learns
    pixels: int  # values of one image token's pixels
    attention_dropout: float = 0.0
    dense_attention: str = ""  # why the decoder's attention needs a mask of the whole row; empty where it does not


class Work(BaseModel):
    """Training FLOPs of one stage, forward and backward, by what they are proportional to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_token: float
    per_pair: float  # a token and one that it sees, itself included
    per_label: float
    per_image_token: float

    def __add__(self, other: "Work") -> "Work":
        return Work(**{name: value + getattr(other, name) for name, value in self})

    def flops(self, tokens: float, pairs: float, labels: float, image_tokens: float) -> float:
        return (
            tokens * self.per_token
            + pairs * self.per_pair
            + labels * self.per_label
            + image_tokens * self.per_image_token
        )


def training_work(shape: ModelShape, learning: dict[str, float], encoder_runs: bool) -> Work:
    """Work of a stage. `learning`: part -> the fraction of its parameters that learns; a part left out is frozen.

    A matrix costs 2 FLOPs a weight and token forward, 2 for its input's gradient (where anything before it learns, or
    the layer lies behind one that does) and 2 for its own. `encoder_runs`: False where cached features stand for it.
    """
    text, bridge, vision = (learning.get(part, 0.0) for part in ("language_model", "projector", "vision_encoder"))
    before = bool(bridge or vision)  # the gradient goes through the whole language model
    through = 1.0 if before or text else 0.0
    forward_pair = 4.0 * shape.layers * shape.heads * shape.head_size
    return Work(
        per_token=2.0 * shape.decoder_weights * (1 + through + text),
        per_pair=forward_pair * (1 + 2 * through),
        per_label=2.0 * shape.hidden * shape.vocabulary * (1 + through + text),
        per_image_token=(
            shape.projector_flops * (1 + (1.0 if vision else 0.0) + bridge)
            + (shape.vision_flops * (1 + 2 * vision) if encoder_runs or vision else 0.0)
        ),
    )
