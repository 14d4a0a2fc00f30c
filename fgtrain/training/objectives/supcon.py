"""Addition `supcon`: image tokens of one category stay together behind the projector, and apart from others'.

Supervised contrast (arXiv 2004.11362) on the mean of a picture's image tokens, against one prototype a category instead
of the pictures that happen to be in the same micro-batch (as in arXiv 2005.04966): a prototype is a moving average over
steps, so that what a picture costs does not depend on how a step is dealt out. Contrast at alignment is what
arXiv 2501.15140 does for fine-grained recognition and what FG-BMK (D.2) asks for.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.data.rows import Rows
from fgtrain.model.seen import Seen

from .part import LossPart, Summed

TEMPERATURE = 0.1  # of cosines
MOMENTUM = 0.9  # what a prototype keeps in a step that shows its category


def classes_of(rows: Mapping[str, Rows]) -> dict[tuple[str, str], int]:
    """(data set, row id) -> number of its category, for rows with one picture of one category; numbers in the order of
    the names, so the same in every process."""
    found: dict[tuple[str, str], str] = {}
    for data_set, some in rows.items():
        for row in some:
            if row.get("category") and isinstance(row.get("image"), str) and row.get("mosaic") is None:
                found[data_set, str(row["id"])] = f"{row['source']}/{row['category']}"
    numbers = {name: number for number, name in enumerate(sorted(set(found.values())))}
    return {key: numbers[name] for key, name in found.items()}


class SupCon(LossPart):
    """The mean over pictures with a category of -ln softmax(cosine to its category's prototype / temperature), among
    the categories seen so far (nats; 0 where its own has not been). `nearest`: how many are nearest to their own.
    """

    name = "supcon"
    figures = ("nearest",)

    def __init__(self, class_of: dict[tuple[str, str], int]) -> None:
        self.class_of = class_of
        self.classes = max(class_of.values(), default=-1) + 1
        self.prototypes_CD: Tensor | None = None  # unit vectors; zeros where the category has not been seen
        self.sums_CD: Tensor | None = None  # of this step's unit vectors, this rank

    def total(self, batch: Batch) -> float:
        return float(sum(number >= 0 for number in self._classes(batch)))

    def of(self, seen: Seen) -> Summed:
        own_N = torch.tensor(self._classes(seen.batch), dtype=torch.long, device=seen.hidden_SD.device)
        self._begin(own_N.device, width := seen.lvlm.hf.get_input_embeddings().embedding_dim)
        shown_N = (own_N >= 0).nonzero()[:, 0]
        if seen.image_tokens_D is None or not len(shown_N):
            nothing = 0.0 * seen.hidden_SD.float().sum()
            return Summed(nothing, figures={"nearest": nothing})
        tokens_D = seen.image_tokens_D[:, :width].float()  # behind them stands what deeper layers are given
        means_ND = _means_ND(tokens_D, seen.image_sample, len(own_N))
        units_ND, own_N = F.normalize(means_ND.index_select(0, shown_N), dim=1), own_N[shown_N]
        self.sums_CD.index_add_(0, own_N, units_ND.detach())
        if self.prototypes_CD is None:
            nothing = 0.0 * units_ND.sum()
            return Summed(nothing, figures={"nearest": nothing})
        known_C = self.prototypes_CD.any(dim=1)
        with torch.autocast(units_ND.device.type, enabled=False):
            cosines_NC = units_ND @ self.prototypes_CD.T / TEMPERATURE
        logits_NC = cosines_NC.masked_fill(~known_C, float("-inf"))
        counts_N = known_C[own_N]
        losses_N = F.cross_entropy(logits_NC[counts_N], own_N[counts_N], reduction="none")
        nearest = (logits_NC[counts_N].argmax(dim=1) == own_N[counts_N]).sum()
        return Summed(losses_N.sum() + 0.0 * units_ND.sum(), figures={"nearest": nearest})

    def step_ended(self, ranks: int) -> None:
        if self.sums_CD is None:
            return
        sums_CD, self.sums_CD = self.sums_CD, None
        if ranks > 1:
            dist.all_reduce(sums_CD)
        new_CD, shown_C = F.normalize(sums_CD, dim=1), sums_CD.any(dim=1)
        if self.prototypes_CD is None:
            self.prototypes_CD = torch.zeros_like(new_CD)
        first_C = ~self.prototypes_CD.any(dim=1)
        moved_CD = F.normalize(MOMENTUM * self.prototypes_CD + (1 - MOMENTUM) * new_CD, dim=1)
        after_CD = torch.where(first_C[:, None], new_CD, moved_CD)
        self.prototypes_CD = torch.where(shown_C[:, None], after_CD, self.prototypes_CD)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.prototypes_CD is None else {"prototypes": self.prototypes_CD}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.prototypes_CD = state["prototypes"]

    def _classes(self, batch: Batch) -> list[int]:
        """Of each sample; -1 where it has none."""
        found = []
        for name in batch.samples:
            data_set, _, row_id = name.split("/", 2)
            found.append(self.class_of.get((data_set, row_id), -1))
        return found

    def _begin(self, device: torch.device, width: int) -> None:
        if self.sums_CD is None:  # on every rank, image or none
            self.sums_CD = torch.zeros(self.classes, width, device=device)
        if self.prototypes_CD is not None:
            self.prototypes_CD = self.prototypes_CD.to(device)


def _means_ND(tokens_D: Tensor, sample: Tensor, samples: int) -> Tensor:
    """Of each sample's image tokens; zeros where it has none."""
    sums_ND = tokens_D.new_zeros(samples, tokens_D.shape[1]).index_add(0, sample, tokens_D)
    counts_N = torch.bincount(sample, minlength=samples).clamp(min=1)
    return sums_ND / counts_N[:, None]
