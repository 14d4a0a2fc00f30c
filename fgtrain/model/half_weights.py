"""The weights of matrix products in bf16, made once for all that is going to be asked.

Autocast casts an fp32 weight each time it is used, which for one new token is most of the time that it takes. A weight
that is bf16 already gives the same numbers: autocast would have rounded it the same way. All else (norms, embeddings,
what a family keeps outside of its matrix products) stays in fp32, as autocast leaves it.
"""

from collections.abc import Callable

import torch
from torch import nn

# Their products are on autocast's list of what runs in the narrow type.
PRODUCTS = (nn.Linear, nn.modules.conv._ConvNd)


@torch.no_grad()
def halve_weights(model: nn.Module, keep: bool = True) -> Callable[[], None]:
    """Put bf16 copies in the place of fp32 weights; returns what puts the fp32 ones back and lets the copies go.

    Without `keep` the fp32 weights are let go one by one, and there is no way back. Where the device has no room for
    both, the fp32 ones stay, and autocast casts them. To be used under autocast only.
    """
    before: list[tuple[nn.Module, str, nn.Parameter]] = []
    copies: dict[int, nn.Parameter] = {}  # a tensor that two modules share is copied once

    def halve(module: nn.Module) -> None:
        for name, weight in module._parameters.items():
            if weight is None or weight.dtype != torch.float32:
                continue
            if id(weight) not in copies:
                copies[id(weight)] = nn.Parameter(weight.to(torch.bfloat16), requires_grad=False)
            if keep:
                before.append((module, name, weight))
            module._parameters[name] = copies[id(weight)]

    def put_back() -> None:
        for module, name, weight in before:
            module._parameters[name] = weight

    try:
        for module in model.modules():
            if isinstance(module, PRODUCTS):
                halve(module)
    except torch.OutOfMemoryError:
        put_back()
    return put_back
