"""How likely each answer is to the model that a stage starts from: asked once, kept on disk, never held as a model.

As many passes as the stage has, a row's answers are judged by one reference; so its log-probabilities are a number an
answer, and no second model stands in memory or runs in a step.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.numpy import load, save
from torch import Tensor

from data_builders.shared.files import atomic_write
from data_builders.shared.locks import locked
from data_builders.shared.sealed import sealed, unsealed
from data_builders.shared.terminal import say
from fgtrain.batch import Batch
from fgtrain.errors import SharedUserError, UserError
from fgtrain.model import LVLM
from fgtrain.model.seen import Seen
from fgtrain.training.sharded import whole_model

AnswersN2 = Callable[[Seen], tuple[Tensor, Tensor]]


@dataclass
class Reference:
    """Of each row that the stage sees, its two answers' log-probabilities.

    `path`: where they are kept, named by the rows, the weights and the program; `share(rank, ranks)`: a rank's part of
    batches that hold each row once; `answers_N2`: what finds log-probabilities in a pass of the model.
    """

    stage: str
    path: Path
    share: Callable[[int, int], Iterable[Batch]]
    answers_N2: AnswersN2
    bf16: bool = False
    _known: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def of(self, batch: Batch) -> Tensor:
        """fp64 [pairs, 2]: chosen, rejected."""
        if not batch.samples:
            return torch.zeros(0, 2, dtype=torch.float64)
        rows = [_row(*which) for which in zip(batch.data_sets, batch.samples, strict=True)]
        if unknown := next((row for row in rows if row not in self._known), None):
            raise UserError(
                f"stage {self.stage}: {unknown} was left out when {self.path} was made, and now it is not. Delete that "
                f"file, and the stage's resume folder: it begins anew"
            )
        return torch.stack([self._known[row] for row in rows])

    def find(self, trainer: Any, module: Any) -> None:
        """Read what is kept, or ask the model, which must be as the stage starts from it. On all ranks together.

        SharedUserError where the stage has begun and nothing is kept, or where a row cannot be read.
        """
        agreed = trainer.strategy.broadcast
        if not agreed(self.path.is_file() and unsealed(self.path.read_bytes()) is not None):
            if trainer.global_step:
                raise SharedUserError(
                    f"stage {self.stage} goes on from step {trainer.global_step}, but {self.path}, what its rows were "
                    f"to the model at its start, is gone or broken. Delete the stage's resume folder: it begins anew"
                )
            if trainer.is_global_zero:
                say(f"stage {self.stage}: log-probabilities of its answers, by the model that it starts from")
            with whole_model(trainer, module) as lvlm:
                found, fault = self._asked(lvlm, trainer.global_rank, trainer.world_size)
            parts: list[Any] = [(found, fault)] * trainer.world_size
            if trainer.world_size > 1:
                dist.all_gather_object(parts, (found, fault))
            for _, one in parts:
                if one is not None:
                    raise SharedUserError(one)
            values = [pair for part, _ in parts for pair in part]
            found = dict(values)
            if len(found) < len(values):
                twice = Counter(row for row, _ in values).most_common(1)[0][0]
                raise SharedUserError(f"stage {self.stage}: two rows are {twice}. Preferences need ids of their own")
            if trainer.is_global_zero:
                self._keep(found)
        trainer.strategy.barrier("reference")
        content = agreed(unsealed(self.path.read_bytes()) if trainer.is_global_zero else None)
        kept = load(content)
        rows = json.loads(kept["rows"].tobytes())
        self._known = dict(zip(rows, torch.from_numpy(kept["log_probabilities"]), strict=True))

    @torch.no_grad()
    def _asked(self, lvlm: LVLM, rank: int, ranks: int) -> tuple[list[tuple[str, list[float]]], str | None]:
        """((row, its answers' log-probabilities), of this rank's share; why they cannot be had)."""
        found: list[tuple[str, list[float]]] = []
        try:
            for batch in self.share(rank, ranks):
                if batch.fault is not None:
                    return [], batch.fault
                if not batch.samples:
                    continue
                with torch.autocast(lvlm.device.type, torch.bfloat16, enabled=self.bf16):
                    values_N2, _ = lvlm.learn_from(batch.to(lvlm.device), self.answers_N2)
                rows = (_row(*which) for which in zip(batch.data_sets, batch.samples, strict=True))
                found += zip(rows, values_N2.tolist(), strict=True)
        except UserError as error:
            return [], str(error)
        return found, None

    def _keep(self, found: dict[str, list[float]]) -> None:
        """In the order of rows; what another run has kept meanwhile stays."""
        rows = sorted(found)
        values = np.array([found[row] for row in rows], dtype=np.float64).reshape(-1, 2)
        tensors = {"rows": np.frombuffer(json.dumps(rows).encode(), np.uint8), "log_probabilities": values}
        with locked(self.path.with_suffix(".lock"), waiting=f"{self.path} is being written; waiting"):
            if not (self.path.is_file() and unsealed(self.path.read_bytes()) is not None):
                with atomic_write(self.path, "wb") as file:
                    file.write(sealed(save(tensors)))


def _row(data_set: str, sample: str) -> str:
    """A sample is "data set/pass/row id"."""
    _, row_id = sample.removeprefix(f"{data_set}/").split("/", 1)
    return f"{data_set}/{row_id}"
