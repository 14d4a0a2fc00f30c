"""What a model loses on each row of its training data: nats a learnt token, the model's own loss."""

from contextlib import nullcontext

import torch

from data_builders.shared.progress import progress
from fgtrain.batch import IGNORE_INDEX
from fgtrain.data.dataset import MicroBatches
from fgtrain.model import LVLM

ROWS_AT_ONCE = 16  # always the same, whoever reads them: what a kernel makes of a row may hang on the others
A_ROW_EACH = 1  # pack_tokens: no two samples share a row of the batch

Losses = dict[int, float]  # place in the order -> mean loss


@torch.no_grad()
def row_losses(
    lvlm: LVLM, batches: MicroBatches, title: str, precision: str = "fp32", part: tuple[int, int] = (0, 1)
) -> Losses:
    """Mean loss (nats) over the learnt tokens of each sample of the order; one that cannot be read has none.

    `batches`: of `ROWS_AT_ONCE` samples, each in a row of its own; `part`: (number, of how many) of them that this
    process reads. Together the parts give what one process gives, to the bit.
    """
    device, found, left = lvlm.device, {}, len(batches.order)
    lvlm.eval()
    mine = range(part[0], len(batches), part[1])
    bf16 = precision == "bf16"
    with progress(title, "rows", len(batches.order)) as advance:
        for number in mine:
            batch = batches.batch(number)
            places = batches.places(number)
            if batch.num_samples:
                with torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext():
                    losses_S = lvlm.token_losses_S(batch.to(device)).double().cpu()
                labels_B = (batch.targets_BT != IGNORE_INDEX).sum(dim=1).tolist()
                named: dict[str, list[int]] = {}
                for place in places:
                    data_set, which, index = batches.order[place]
                    name = f"{data_set}/{which}/{batches.maker.row_id(data_set, index)}"
                    named.setdefault(name, []).append(place)
                for name, losses in zip(batch.samples, losses_S.split(labels_B), strict=True):
                    found[named[name].pop(0)] = losses.mean().item()
            advance(told := min(len(places) * part[1], left))  # the other parts are about as far
            left -= told
    return found
