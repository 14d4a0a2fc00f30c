"""One part of a stage's loss: of each micro-batch a sum, and of each optimizer step what its sums are divided by."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.model.seen import Seen


@dataclass(frozen=True)
class Summed:
    """`sum`: a scalar with its gradient. `of_samples_N`: each sample's part of it, and of the total, in the order of
    `Batch.samples`, without gradient; an objective gives them for the curves of data sets. `figures`: sums to be shown,
    each over the same things as `sum`; the names are the part's `figures`, always all of them.
    """

    sum: Tensor
    of_samples_N: tuple[Tensor, Tensor] | None = None
    figures: dict[str, Tensor] = field(default_factory=dict)


class LossPart:
    """A mean over a whole optimizer step: of all ranks' micro-batches the sums, divided by the totals.

    A total must follow from the micro-batch alone, because it is needed before the step's first backward pass. So a
    mean does not depend on how many ranks and micro-batches the step is dealt to, as long as what `of` gives is a sum
    over samples. All ranks call everything here together.
    """

    name: str  # as in the recipe
    figures: tuple[str, ...] = ()  # shown beside the loss, as NAME/FIGURE

    def begin(self, trainer: Any, module: Any) -> None:
        """Before the first step of this start, with the model as it then is: under way, where the stage resumes."""

    def total(self, batch: Batch) -> float:
        """What the micro-batch adds to the step's total; called where batches are loaded, before `prepared`."""
        raise NotImplementedError

    def prepared(self, lvlm: Any, batch: Batch, address: tuple) -> Batch:
        """The batch that the model learns from; an objective that samples answers makes it here. `address`: of draws,
        another for each micro-batch of each rank."""
        return batch

    def of(self, seen: Seen) -> Summed:
        """Of one micro-batch, from one pass of the model over it."""
        raise NotImplementedError

    def step_ended(self, ranks: int) -> None:
        """An optimizer step is done, on all of so many ranks."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed stage must know beside its step, the same on every rank; plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
