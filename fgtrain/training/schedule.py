"""The learning rate's course over one stage: linear warm-up, then a cosine."""

import math


def learning_rate_factor(step: int, steps: int, warmup_fraction: float, min_lr_fraction: float) -> float:
    """Factor on the peak learning rate for optimizer step `step` (0-based) of `steps`.

    Rises linearly over the first `ceil(warmup_fraction * steps)` steps, reaching 1 at the last of them, then follows
    half a cosine down to `min_lr_fraction`, as in the LLaVA and InternVL recipes.
    """
    warmup = math.ceil(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return min_lr_fraction + (1 - min_lr_fraction) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
