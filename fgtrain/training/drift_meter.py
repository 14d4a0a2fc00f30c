"""How far a stage has moved what a model answers: KL(what the stage starts from || now) on a fixed set of its rows.

Forgetting follows this divergence on the new task's prompts (arXiv 2509.04259). The rows are an addressed draw from the
stage's own data sets; the divergence is taken over the whole vocabulary where their answers' first tokens are written,
with pictures as they are, and a mean over positions. The start's log-probabilities are computed once and kept.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_builders.shared.seeding import draw
from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.data.datamodule import StageData
from fgtrain.data.image import render
from fgtrain.data.packing import pack
from fgtrain.errors import UserError
from fgtrain.model import LVLM

from .drift_file import DRIFT

SAMPLES, POSITIONS = 32, 8  # rows of a stage, and tokens of a row that are looked at, at most
ROOM = 0.8  # of a GPU's free memory, that a model may take to be measured


class DriftMeter:
    """Made with the model as the stage starts from it; `measure` says how far another, or the same, has gone."""

    def __init__(self, lvlm: LVLM, batches: list[Batch], precision: str) -> None:
        """`batches`: of one sample each, as `drawn_batches` gives them."""
        self.batches, self.precision = batches, precision
        self.start = [self._log_probabilities_SV(lvlm, batch).cpu() for batch in batches]

    def measure(self, lvlm: LVLM) -> dict[str, Any]:
        """{"kl": mean in nats, "positions": how many, "by": data set -> its mean}; kl null where nothing was drawn."""
        sums: dict[str, list[float]] = {}
        for batch, start_SV in zip(self.batches, self.start, strict=True):
            now_SV = self._log_probabilities_SV(lvlm, batch)
            before_SV = start_SV.to(now_SV.device)
            losses_S = (before_SV.exp() * (before_SV - now_SV)).sum(dim=-1)
            entry = sums.setdefault(batch.data_sets[0], [0.0, 0])
            entry[0] += losses_S.double().sum().item()
            entry[1] += len(losses_S)
        positions = sum(count for _, count in sums.values())
        kl = sum(total for total, _ in sums.values()) / positions if positions else None
        return {"kl": kl, "positions": positions, "by": {name: total / n for name, (total, n) in sums.items()}}

    @torch.no_grad()
    def _log_probabilities_SV(self, lvlm: LVLM, batch: Batch) -> Tensor:
        training, device = lvlm.training, lvlm.device
        lvlm.eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found = lvlm.learn_from(
                batch.to(device),
                lambda seen: seen.of_logits(lambda logits_SV, targets_S: logits_SV.log_softmax(dim=-1)),
            )
        lvlm.train(training)
        return found


def drawn_batches(data: StageData) -> list[Batch]:
    """The rows to look at, equally many of each data set of the stage; what cannot be used is passed over, as in
    training."""
    names = sorted(data.stage.mix)
    found: list[Batch] = []
    for name in names:
        wanted = max(1, SAMPLES // len(names))
        order = draw(data.seed, data.name, "drift", name).permutation(len(data.rows[name]))
        for index in order[: 4 * wanted].tolist():
            if wanted and (batch := _batch(data, name, index)) is not None:
                found.append(batch)
                wanted -= 1
            if not wanted:
                break
    return found


def _batch(data: StageData, name: str, index: int) -> Batch | None:
    try:
        sample = data.maker.sample(name, 0, index)
        alone = len(sample.images) == 1
        pixels = [torch.from_numpy(render(ref, data.image_spec, alone=alone)) for ref in sample.images]
    except UserError:
        return None
    batch = pack([sample], None, pixels_NCHW=torch.cat(pixels) if pixels else None, data_sets=[name])
    learnt_BT = batch.targets_BT != IGNORE_INDEX
    first_BT = learnt_BT & (learnt_BT.cumsum(dim=1) <= POSITIONS)
    return replace(batch, targets_BT=batch.targets_BT.masked_fill(~first_BT, IGNORE_INDEX)) if first_BT.any() else None


@contextmanager
def within_reach(lvlm: LVLM, device: torch.device) -> Iterator[bool]:
    """While it is open, the model is on the device, if it lay in host memory before. False where it does not fit: to
    measure on the host would take longer than training."""
    if lvlm.device.type == device.type:
        yield True
        return
    size = sum(value.numel() * value.element_size() for value in lvlm.parameters())
    if size > ROOM * torch.cuda.mem_get_info(device)[0]:
        yield False
        return
    home = lvlm.device
    lvlm.to(device)
    try:
        yield True
    finally:
        lvlm.to(home)


def drift_noter(
    meter: DriftMeter, lvlm: LVLM, stage: str, store: Path, samples_of: Callable[[int], int]
) -> Callable[[int], dict[str, Any]]:
    """A function that measures at a step, writes the row into the store and returns it. `samples_of`: step -> samples
    of the stage by then."""

    def note(step: int) -> dict[str, Any]:
        place = {"kind": "drift", "stage": stage, "step": step, "samples_seen": samples_of(step)}
        row = place | meter.measure(lvlm)
        with open(store / DRIFT, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return row

    return note
