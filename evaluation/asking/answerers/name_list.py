"""The log-probability of each of many names as the whole answer, from one reading of picture and question.

The branches of a row walk their tries side by side; what they leave in the cache is forgotten after each chunk.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .language import LOGITS_AT_ONCE, PADDING, Language
from .name_trie import Chunk

if TYPE_CHECKING:
    from .running import Run


class TrieGrid:
    """The chunks of some branches as new tokens of several rows, padded on the right; read like a `running.Grid`."""

    def __init__(self, rows: int, pieces: Sequence[tuple[int, int, int, Chunk]]) -> None:
        """`pieces`: row, owner, position behind the prefix of what comes next, chunk."""
        filled = [0] * rows
        self.starts: list[int] = []  # the place of each piece's first token
        for row, _, _, chunk in pieces:
            self.starts.append(filled[row])
            filled[row] += len(chunk)
        width = max(filled)
        self.ids, self.position = (torch.zeros(rows, width, dtype=torch.int64) for _ in range(2))
        self.owner = torch.full((rows, width), PADDING)
        self.sees = torch.eye(width, dtype=torch.bool).repeat(rows, 1, 1)
        for start, (row, owner, after, chunk) in zip(self.starts, pieces, strict=True):
            here = slice(start, start + len(chunk))
            self.ids[row, here] = chunk.ids_N
            self.owner[row, here] = owner
            self.position[row, here] = after + chunk.depth_N
            self.sees[row, here, here] = chunk.sees_NN

    def tensors(self, device: torch.device) -> tuple[Tensor, ...]:
        return tuple(one.to(device) for one in (self.ids, self.owner, self.position))

    def block(self, device: torch.device) -> Tensor:
        return self.sees.to(device)


def weigh_names(run: "Run", logits_SV: Tensor) -> list[tuple[float, ...]]:
    """ln p of each name of each branch, in the order of `run.flat`; () for a branch that asks for none.

    `logits_SV`: of the first token of each branch's answer.
    """
    asked = [(s, row, k, branch) for s, (row, k, branch) in enumerate(run.flat) if branch.names is not None]
    found: list[tuple[float, ...]] = [()] * len(run.flat)
    values = {s: torch.full((branch.names.names,), torch.nan, dtype=torch.float64) for s, _, _, branch in asked}
    number = 0
    while walking := [one for one in asked if number < len(one[3].names.chunks)]:
        pieces = [(row, k + 1, len(branch.ids), branch.names.chunks[number]) for _, row, k, branch in walking]
        grid = TrieGrid(len(run.rows), pieces)
        hidden_RTD = run.read_and_forget(grid)
        for (s, row, _, _), start, (*_, chunk) in zip(walking, grid.starts, pieces, strict=True):
            hidden_ND = hidden_RTD[row, start : start + len(chunk)]
            values[s][chunk.names_K] = log_p_of_names(run.language, logits_SV[s], hidden_ND, chunk)
        number += 1
    for s, _, _, _ in asked:
        found[s] = tuple(values[s].tolist())
    return found


def log_p_of_names(language: Language, first_V: Tensor, hidden_ND: Tensor, chunk: Chunk) -> Tensor:
    """float64 [K]: the sum over a name's nodes of each one's ln p behind its parent, and of the answer's end behind the
    last. Any of the tokens that end an answer ends it, so their probabilities are added up."""
    step_N = torch.empty(len(chunk), dtype=torch.float64)
    end_N = torch.empty(len(chunk), dtype=torch.float64)
    first = chunk.parent_N < 0
    log_p_V = torch.log_softmax(first_V, dim=-1)
    step_N[first] = log_p_V[chunk.ids_N[first].to(log_p_V.device)].double().cpu()
    at_once = max(1, LOGITS_AT_ONCE // language.lm_head.weight.shape[0])
    for start in range(0, len(chunk), at_once):
        logits_BV = language.logits(hidden_ND[start : start + at_once])
        norm_B = logits_BV.logsumexp(-1)
        end_N[start : start + at_once] = (logits_BV[:, language.end].logsumexp(-1) - norm_B).double().cpu()
        behind = (chunk.parent_N >= start) & (chunk.parent_N < start + at_once)
        parents, ids = (one[behind].to(logits_BV.device) for one in (chunk.parent_N - start, chunk.ids_N))
        step_N[behind] = (logits_BV[parents, ids] - norm_B[parents]).double().cpu()
    return (chunk.sees_NN.double() @ step_N + end_N)[chunk.last_K]
