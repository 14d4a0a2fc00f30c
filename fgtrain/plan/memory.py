"""Peak memory of a training step: what is held all the time, and the activations of the heaviest micro-batch. Pure.

The formula follows a decoder layer of the Llama kind (RMSNorm, rotary positions, gated MLP) as torch's autograd keeps
it, with attention that keeps no tokens x tokens matrix. Values are counted for each token and layer:

    always             2 D (what the norms read)  +  2 H + 2 K (queries, attention's output, keys, values)  +  3 I (MLP)
    where it learns    4 D (norms' outputs, matrices' inputs)  +  H  +  I
    checkpointing      D for each layer, and the above for one layer at a time

D hidden size, H heads x head size, K the same of keys, I intermediate size. Only supervised positions meet the
vocabulary; what they need is largest at the beginning of the backward pass, when all activations are still held.
"""

from fgtrain.counts import LOGITS_AT_ONCE, Counts

from .cost import ModelShape

FP32, BF16 = 4, 2


def activation_bytes(
    shape: ModelShape, counts: Counts, learning: dict[str, float], precision: str, checkpointing: bool
) -> int:
    """Bytes at the peak of one micro-batch of `counts`, beside weights, gradients and optimizer states.

    `learning`: part -> fraction of its parameters that learns; a part left out is frozen.
    """
    if not learning:
        return 0
    text = learning.get("language_model", 0.0) > 0
    half = precision == "bf16"
    D, H, K, I = shape.hidden, shape.heads * shape.head_size, shape.kv_heads * shape.head_size, shape.intermediate  # noqa: E741
    inner = BF16 if half else FP32  # matrices run in half precision, the residual stream and the norms do not
    layer = FP32 * 2 * D + inner * (2 * H + 2 * K + 3 * I)
    if text:
        # Autocast makes a half-precision copy of its input for each of the five matrices that read a norm.
        layer += FP32 * 2 * D + (BF16 * 5 * D if half else FP32 * 2 * D) + inner * (H + I)
    through_layers = shape.layers * FP32 * D + layer if checkpointing else shape.layers * layer
    # Around the layers: embeddings, where image tokens are put (a byte each), last norm, rotary tables.
    around = FP32 * (4 * D + 4 * shape.head_size) + D
    backward_of_a_layer = inner * 3 * I + FP32 * 2 * D
    labels = min(counts.labels, max(1, LOGITS_AT_ONCE // shape.vocabulary))
    # Probabilities are kept; their gradient and that of the logits stand beside them.
    head = labels * shape.vocabulary * (3 * FP32 + (BF16 if half else 0)) + counts.labels * 2 * D * FP32
    total = counts.tokens * (through_layers + around) + max(head, counts.tokens * backward_of_a_layer)
    total += counts.image_tokens * FP32 * (3 * D + shape.pixels)
    if learning.get("vision_encoder"):
        total += counts.image_tokens * shape.vision_activations * inner
    if half:  # half-precision copies of the weights live until the backward pass
        total += BF16 * (shape.decoder_weights + D * shape.vocabulary)
    return total


def peak_bytes(held: tuple[int, int, int], activations: int, accumulation: int, strategy: str) -> int:
    """Bytes at a step's peak. `held`: (weights, gradients, optimizer states) of `held_bytes`."""
    weights, gradients, states = held
    copies = gradients if strategy == "ddp" else 0  # the buckets in which gradients are summed
    always = weights + states + copies
    # With one micro-batch a step, gradients come while activations go.
    return max(always + activations + (gradients if accumulation > 1 else 0), always + gradients)
