"""The loss of a stage: its objective, plus what is added to it, each times its weight."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.model.seen import Seen

from .answers import Answers
from .part import LossPart, Summed


@dataclass
class StageLoss:
    """`objective` / its total + the sum of weight x part / its total. Parts of weight 0 are not to be given.

    Where a step has nothing for an added part (its total is 0), that part is left out; an objective always has.
    """

    objective: LossPart = field(default_factory=Answers)
    added: tuple[tuple[float, LossPart], ...] = ()

    @property
    def parts(self) -> tuple[tuple[float, LossPart], ...]:
        return (1.0, self.objective), *self.added

    def begin(self, trainer: Any, module: Any) -> None:
        """Of all parts, see LossPart.begin."""
        for _, part in self.parts:
            part.begin(trainer, module)

    def totals(self, batch: Batch) -> tuple[float, ...]:
        """Of one micro-batch, part by part."""
        return tuple(part.total(batch) for _, part in self.parts)

    def of(self, seen: Seen) -> list[Summed]:
        return [part.of(seen) for _, part in self.parts]

    def combined(self, summed: list[Summed], totals: list[float], averaged_over: int) -> Tensor:
        """What to run the backward pass on. `totals`: of the whole step; `averaged_over`: what Lightning and the
        strategy divide by (micro-batches x ranks)."""
        pairs = zip(self.parts, summed, totals, strict=True)
        terms = [one.sum * (weight * averaged_over / total) for (weight, _), one, total in pairs if total]
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    def sums(self, summed: list[Summed]) -> Tensor:
        """fp64 [parts and their figures], without gradient, in the order of `shown`."""
        rows = [
            value for (_, part), one in zip(self.parts, summed, strict=True)
            for value in (one.sum, *(one.figures[name] for name in part.figures))
        ]  # fmt: skip
        return torch.stack([value.detach().double() for value in rows])

    def no_sums(self, device: torch.device) -> Tensor:
        """What sums are added to."""
        return torch.zeros(sum(1 + len(part.figures) for _, part in self.parts), dtype=torch.float64, device=device)

    def shown(self, sums: list[float], totals: list[float]) -> dict[str, Any]:
        """The step's means: `loss`, the objective's; where there is more, `terms`: NAME or NAME/FIGURE -> mean."""
        found: dict[str, float] = {}
        values = iter(sums)
        for (_, part), total in zip(self.parts, totals, strict=True):
            for name in (part.name, *(f"{part.name}/{figure}" for figure in part.figures)):
                value = next(values)
                if total:
                    found[name] = value / total
        loss = found.pop(self.objective.name)
        return {"loss": loss} | ({"terms": found} if found else {})

    def state_dict(self) -> dict[str, Any]:
        """Of the parts that have a state."""
        return {part.name: state for _, part in self.parts if (state := part.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for _, part in self.parts:
            if part.name in state:
                part.load_state_dict(state[part.name])
