"""Data that one process cannot use stops all of them: none waits for it in vain."""

import torch.distributed as dist

from fgtrain.errors import SharedUserError


def refuse_faults(fault: str | None, ranks: int) -> None:
    """Raise SharedUserError with the first fault there is. All ranks call it together when one of them has a fault."""
    faults = [fault] * ranks
    if ranks > 1:
        dist.all_gather_object(faults, fault)
    raise SharedUserError(next(found for found in faults if found is not None))
