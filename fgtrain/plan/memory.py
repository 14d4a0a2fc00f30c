"""Peak memory of a training step: what is held all the time, and what a micro-batch adds. Pure.

The formula follows a decoder layer of the Llama kind (RMSNorm, rotary positions, gated MLP) as torch's autograd keeps
it, with attention that keeps no tokens x tokens matrix. Values are counted for each token and layer:

    always             2 D + 2 in fp32 (what the norms read)  +  2 H + 2 K (queries, attention's output, keys, values)
                       +  3 I (MLP)  +  a log-sum-exp for each head; the last layer's MLP at supervised positions only
    where it learns    2 D of the residual stream's type (norms' outputs), the matrices' inputs  +  I
    checkpointing      the residual stream before each layer, and the above for one layer at a time

D hidden size, H heads x head size, K the same of keys, I intermediate size. Only supervised positions meet the
vocabulary. In bf16 matrices run in half precision. Where weights are fp32 (one device, DDP) autocast copies them and,
for each matrix by itself, what it reads; under ZeRO and FSDP weights and residual stream are bf16 themselves.
"""

from dataclasses import dataclass

from fgtrain.counts import LOGITS_AT_ONCE, Counts
from fgtrain.recipe import Devices

from .arithmetic import resolved_strategy
from .cost import ModelShape

FP32, BF16 = 4, 2
BATCH = 46  # bytes of a token in a batch: ids, targets, weights, samples, branches, positions, masks
ZERO_BUCKET = 200_000_000  # elements that ZeRO reduces or gathers at once
ZERO_LIVE = 1_000_000_000  # elements that ZeRO-3 holds gathered at most


@dataclass(frozen=True)
class Activations:
    """Bytes beside weights, gradients and optimizer states."""

    first: int  # when the backward pass begins (or the forward pass ends): all layers', no gradient is there yet
    last: int  # when it is at the first layer: a layer's, less the gradients that are still to come


def activations(shape: ModelShape, counts: Counts, learning: dict[str, float], devices: Devices) -> Activations:
    """Of one micro-batch of `counts`. `learning`: part -> fraction of its parameters that learns; others are frozen."""
    if not learning:
        return Activations(0, 0)
    text = learning.get("language_model", 0.0) > 0
    half = devices.precision == "bf16"
    mixed = half and resolved_strategy(devices) in ("single", "ddp")
    inner, stream = BF16 if half else FP32, BF16 if half and not mixed else FP32
    D, I = shape.hidden, shape.intermediate  # noqa: E741
    H, K = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    if devices.accelerator == "cpu":
        K = H  # attention there repeats keys and values for each group's heads

    norm = FP32 * (D + 1)
    before, behind = 2 * norm + inner * (2 * H + 2 * K) + FP32 * shape.heads, inner * 3 * I  # attention
    if text:  # and what the matrices read, of which autocast makes a copy for each
        before += stream * 2 * D + (BF16 * 3 * D if mixed else inner * D)
        behind += inner * I + (BF16 * 2 * D if mixed else inner * D)
        norm += stream * D
    layer = before + behind
    rest = counts.tokens * (stream * 2 * shape.head_size + BATCH) + _vision(shape, counts, learning, inner)
    weights = BF16 * shape.decoder_weights if mixed else 0
    # The last norm, what it gives, and of it what meets the vocabulary.
    ends = counts.tokens * (norm + stream * D) + counts.labels * D * (FP32 + inner)
    ends += BF16 * D * shape.vocabulary if mixed else 0
    labels = min(counts.labels, max(1, LOGITS_AT_ONCE // shape.vocabulary))
    logits = 3 * FP32 * labels * shape.vocabulary  # probabilities, their gradient and that of the logits
    forward_logits = (2 * FP32 + (BF16 if half else 0)) * labels * shape.vocabulary
    head = (inner if half and not mixed else FP32) * D * shape.vocabulary if text else 0  # its weights' gradient
    # In one piece, its gradient comes when those of the logits have gone.
    at_head = ends + (max(logits, head) if labels == counts.labels else logits + head)
    in_mlp = inner * 2 * I + stream * 2 * D  # on its way back
    backward = counts.tokens * in_mlp
    one_layer = counts.tokens * layer + backward + weights // shape.layers
    gathered = _gathered(shape, devices, inner)
    if devices.activation_checkpointing:
        kept = counts.tokens * shape.layers * stream * D
        # Autocast keeps the copies of learning weights until the forward pass ends.
        first = kept + max(ends + forward_logits + (weights if text else 0), at_head, head + one_layer)
    else:
        # Behind its attention the last layer runs at supervised positions only, which are put together.
        narrow = devices.layer_kernels != "compile"
        at = counts.labels if narrow else counts.tokens
        last_layer = counts.tokens * before + at * (behind + (inner * H if text and narrow else 0))
        kept = counts.tokens * (shape.layers - 1) * layer + last_layer + weights
        in_last = ends - counts.tokens * stream * D + head + at * in_mlp
        in_next = backward + head + _gradients(shape.decoder_weights // shape.layers, learning, devices, inner)
        first = kept + max(at_head, in_last, in_next - last_layer)
    last = counts.tokens * stream * D + one_layer - _late(shape, learning, devices, inner)
    return Activations(rest + first + gathered, rest + last + gathered)


def _late(shape: ModelShape, learning: dict[str, float], devices: Devices, inner: int) -> int:
    """Bytes of gradients that come after a first layer's activations have gone: its own and the embeddings'."""
    weights = shape.decoder_weights // shape.layers + shape.hidden * shape.vocabulary
    return _gradients(weights, learning, devices, inner)


def _gradients(weights: int, learning: dict[str, float], devices: Devices, inner: int) -> int:
    """Bytes of the gradients of so many weights of the language model."""
    whole = resolved_strategy(devices) in ("single", "ddp")
    size = FP32 if whole else inner / devices.world_size
    return int(size * weights * learning.get("language_model", 0.0))


def _vision(shape: ModelShape, counts: Counts, learning: dict[str, float], inner: int) -> int:
    """Pixels, what the projector reads and makes, and of an encoder that learns what it keeps."""
    total = counts.image_tokens * (FP32 * shape.pixels + (inner * 3 + FP32) * shape.hidden)
    if learning.get("vision_encoder"):
        total += counts.image_tokens * shape.vision_activations * inner
    return total


def _gathered(shape: ModelShape, devices: Devices, inner: int) -> int:
    """Bytes of whole weights and buckets that a sharding strategy holds for a while."""
    strategy, ends = resolved_strategy(devices), 2 * shape.hidden * shape.vocabulary
    if strategy == "fsdp":  # a layer, the next one, and what is in no layer from the beginning to the end
        return inner * (ends + 2 * shape.decoder_weights // shape.layers)
    if not strategy.startswith("deepspeed"):
        return 0
    whole = shape.decoder_weights + ends
    return inner * (2 * min(ZERO_BUCKET, whole) + (min(ZERO_LIVE, whole) if strategy.endswith("3") else 0))


def peak_bytes(held: tuple[int, int, int], added: Activations, accumulation: int, strategy: str) -> int:
    """Bytes at a step's peak. `held`: (weights, gradients, optimizer states) of `held_bytes`."""
    weights, gradients, states = held
    always = weights + states + (gradients if strategy == "ddp" else 0)  # the buckets in which gradients are summed
    if accumulation > 1:
        return always + gradients + max(added.first, added.last)
    return always + max(added.first, gradients + added.last)  # gradients come while activations go
