"""The norm of a step's gradient, in all and of each part, with one look at every gradient."""

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor


@torch.no_grad()
def gradient_norms(groups: list[dict], device: torch.device) -> tuple[Tensor, Tensor]:
    """(norm of the whole gradient, [groups] norm of each group's), fp32; of whole gradients where they are sharded.

    `groups`: `[{params}]`. `device`: of the process group, which need not be where the gradients are (offload). Then
    all ranks call it together.
    """
    grads = [[p.grad for p in group["params"] if p.grad is not None] for group in groups]
    mesh = next((g.device_mesh for group in grads for g in group if isinstance(g, DTensor)), None)
    norms = [_each(group).to(device) for group in grads]
    # The same numbers in the same order as torch's own clipping combines, so that clipping is the same to the bit.
    norm_G = torch.stack([torch.linalg.vector_norm(norms_N) for norms_N in norms])
    if mesh is None:
        return torch.linalg.vector_norm(torch.cat(norms)), norm_G
    squares_G = norm_G.double().square()
    torch.distributed.all_reduce(squares_G, group=mesh.get_group())
    return squares_G.sum().sqrt().float(), squares_G.sqrt().float()


def _each(grads: list[Tensor]) -> Tensor:
    """[gradients] the norm of each, or of what this rank holds of it; without those of which it holds nothing."""
    mine = [g.to_local() if isinstance(g, DTensor) else g for g in grads]
    mine = [g for g in mine if g.numel()]
    return torch.stack(torch._foreach_norm(mine)) if mine else torch.zeros(0)
