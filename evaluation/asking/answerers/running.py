"""Rows that decode together: each holds one image's prefix and several questions side by side.

A token sees the prefix and its own question only. All attention goes through explicit float masks and position ids, so
padding can be anywhere and an answer is the same whatever else is asked.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .key_value_cache import RoomyCache
from .language import LOGITS_AT_ONCE, PADDING, Branch, Language, Option, Prefixes, Reply
from .name_list import TrieGrid, weigh_names
from .sampling import next_tokens

FIRST_TOKENS = 8  # of each answer, for which there is room at once; few answers are longer


class Run:
    """Rows that are answered together."""

    def __init__(self, language: Language, prefixes: Prefixes, rows: list[list[Branch]]) -> None:
        self.language, self.rows = language, rows
        self.device = language.device
        of_row = torch.tensor([row[0].prefix for row in rows])
        self.position_R = prefixes.position_R.to(self.device)[of_row.to(self.device)]
        length_R = prefixes.length_R.to(self.device)[of_row.to(self.device)]
        P = max(1, int(length_R.max()))
        self.owner_RL = torch.where(torch.arange(P, device=self.device) < length_R[:, None], 0, PADDING)
        self.flat = [(r, k, branch) for r, row in enumerate(rows) for k, branch in enumerate(row)]
        T = max(sum(len(branch.ids) for branch in row) for row in rows)
        weighed = max(sum(len(option) for branch in row for option in branch.options) for row in rows)
        walked = max(sum(branch.names.nodes_at_once for branch in row if branch.names) for row in rows)
        room = T + max(FIRST_TOKENS * max(map(len, rows)), weighed, walked)
        self.cache = RoomyCache(prefixes.layers, of_row, P, room)
        self.last_SD = self._read_questions(T, prefixes, of_row)

    def _read_questions(self, T: int, prefixes: Prefixes, of_row: Tensor) -> Tensor:
        """The hidden state from which each question's answer begins, in the order of `flat`."""
        last = prefixes.last_RD
        empty_SD = None if last is None else last[of_row.to(last.device)].to(self.device)
        if T == 0:
            return empty_SD[torch.tensor([r for r, _, _ in self.flat], device=self.device)]
        grid = Grid(len(self.rows), T)
        for r, row in enumerate(self.rows):
            for k, branch in enumerate(row):
                grid.add(r, branch.ids, owner=k + 1, start=0)
        hidden_RTD = self._forward(grid)
        rows, ends = [r for r, _, _ in self.flat], grid.ends
        last_SD = hidden_RTD[torch.tensor(rows), torch.tensor(ends).clamp(min=0)].to(self.device)
        if any(not branch.ids for _, _, branch in self.flat):
            was_empty = torch.tensor([not branch.ids for _, _, branch in self.flat], device=self.device)
            last_SD = torch.where(was_empty[:, None], empty_SD[torch.tensor(rows, device=self.device)], last_SD)
        return last_SD

    def _forward(self, grid: "Grid | TrieGrid") -> Tensor:
        """Read a grid of new tokens. They see what their owner may see; they are entered among what can be seen."""
        ids, owner, position = grid.tensors(self.device)
        block = grid.block(self.device)
        seen_RTL = (self.owner_RL[:, None, :] == 0) | (self.owner_RL[:, None, :] == owner[:, :, None])
        hidden = self.language.forward(
            ids, torch.cat([seen_RTL, block], dim=2), self.position_R[:, None] + position, self.cache
        )
        self.owner_RL = torch.cat([self.owner_RL, owner], dim=1)
        return hidden

    def read_and_forget(self, grid: "Grid | TrieGrid") -> Tensor:
        """Hidden states of new tokens that nothing after them sees."""
        before, seen = self.cache.layers[0].length, self.owner_RL
        hidden_RTD = self._forward(grid)
        self.cache.truncate(before)
        self.owner_RL = seen
        return hidden_RTD

    def replies(self) -> list[list[Reply]]:
        # The first token's probabilities are there anyway; only options of several tokens cost another pass.
        logits_SV = self.language.logits(self.last_SD)
        options, names = self._options(logits_SV), weigh_names(self, logits_SV)
        replies = self._go_on(logits_SV)
        done = iter([replace(reply, options=o, names=n) for reply, o, n in zip(replies, options, names, strict=True)])
        return [[next(done) for _ in row] for row in self.rows]

    def _options(self, logits_SV: Tensor) -> list[tuple[Option, ...]]:
        asked = [(s, o, option) for s, (_, _, b) in enumerate(self.flat) for o, option in enumerate(b.options)]
        if not asked:
            return [() for _ in self.flat]
        weighed = [(s, o, option) for s, o, option in asked if option]
        sums = {(s, o): 0.0 for s, o, _ in asked}
        starts = sorted({s for s, _, _ in weighed})
        log_p = torch.log_softmax(logits_SV[torch.tensor(starts, device=self.device)], dim=-1)
        place = {s: i for i, s in enumerate(starts)}
        first = log_p[[place[s] for s, _, _ in weighed], [option[0] for _, _, option in weighed]].double().tolist()
        for (s, o, _), value in zip(weighed, first, strict=True):
            sums[s, o] += value
        longer = [(s, o, option) for s, o, option in weighed if len(option) > 1]
        if longer:
            self._add_later_tokens(longer, sums)
        found: list[list[Option]] = [[] for _ in self.flat]
        for s, o, option in asked:
            found[s].append((sums[s, o], len(option)))
        return [tuple(one) for one in found]

    def _add_later_tokens(self, longer: list[tuple[int, int, tuple[int, ...]]], sums: dict) -> None:
        """One pass over all options but their last tokens, side by side behind their questions; then forgotten."""
        widths = [0] * len(self.rows)
        for s, _, option in longer:
            widths[self.flat[s][0]] += len(option) - 1
        grid = Grid(len(self.rows), max(widths))
        for s, _, option in longer:
            r, k, branch = self.flat[s]
            grid.add(r, option[:-1], owner=k + 1, start=len(branch.ids))
        hidden_RTD = self.read_and_forget(grid)
        rows, places, targets, of = [], [], [], []
        for (s, o, option), end in zip(longer, grid.ends, strict=True):
            count = len(option) - 1
            rows += [self.flat[s][0]] * count
            places += range(end - count + 1, end + 1)
            targets += option[1:]
            of += [(s, o)] * count
        hidden_SD = hidden_RTD[rows, places]
        chunk = max(1, LOGITS_AT_ONCE // self.language.lm_head.weight.shape[0])
        values: list[float] = []
        for hidden, target in zip(hidden_SD.split(chunk), torch.tensor(targets).split(chunk), strict=True):
            logits = self.language.logits(hidden)
            chosen = logits.gather(1, target[:, None].to(logits.device))[:, 0] - logits.logsumexp(-1)
            values += chosen.double().tolist()
        for key, value in zip(of, values, strict=True):
            sums[key] += value

    def _go_on(self, logits_SV: Tensor) -> list[Reply]:
        new: list[list[int]] = [[] for _ in self.flat]
        ends: list[int | None] = [None] * len(self.flat)
        live = list(range(len(self.flat)))  # the questions that go on, in the order of logits_SV
        row_of = [r for r, _, _ in self.flat]  # where each question's row is now
        count = 0
        while True:
            token_S = next_tokens(logits_SV, [self.flat[s][2].sampling for s in live], count)
            ended = torch.isin(token_S, self.language.end).tolist()
            going: list[int] = []
            ids: list[int] = []
            for s, token, has_ended in zip(live, token_S.tolist(), ended, strict=True):
                limit = self.flat[s][2].max_new_tokens
                if count < limit:
                    if has_ended:
                        ends[s] = token
                    else:
                        new[s].append(token)
                if not has_ended and count + 1 < limit:
                    going.append(s)
                    ids.append(token)
            if not going:
                return [Reply(tokens, end is not None, end=end) for tokens, end in zip(new, ends, strict=True)]
            live = going
            self._drop_rows(live, row_of)
            width = [0] * len(self.owner_RL)
            for s in live:
                width[row_of[s]] += 1
            grid = Grid(len(width), max(width))
            for s, token in zip(live, ids, strict=True):
                _, k, branch = self.flat[s]
                grid.add(row_of[s], [token], owner=k + 1, start=len(branch.ids) + count)
            hidden_RTD = self._forward(grid)
            logits_SV = self.language.logits(hidden_RTD[[row_of[s] for s in live], grid.ends])
            count += 1

    def _drop_rows(self, live: list[int], row_of: list[int]) -> None:
        """Leave out the rows of which nothing goes on, once they are so many that copying the others pays."""
        kept = sorted({row_of[s] for s in live})
        if len(kept) > len(self.owner_RL) // 2:
            return
        keep = torch.tensor(kept, device=self.device)
        self.cache.select(keep)
        self.owner_RL, self.position_R = self.owner_RL[keep], self.position_R[keep]
        place = {old: new for new, old in enumerate(kept)}
        for s in live:
            row_of[s] = place[row_of[s]]


class Grid:
    """New tokens of several rows: pieces side by side, each of one owner, padded on the right."""

    def __init__(self, rows: int, width: int) -> None:
        self.ids = [[0] * width for _ in range(rows)]
        self.owner = [[PADDING] * width for _ in range(rows)]
        self.piece = [[PADDING] * width for _ in range(rows)]
        self.position = [[0] * width for _ in range(rows)]
        self.filled = [0] * rows
        self.ends: list[int] = []  # the place of each piece's last token, in the order they were added

    def add(self, row: int, ids: Sequence[int], *, owner: int, start: int) -> None:
        """`start`: the position of the first token, counted from the end of the prefix."""
        at = self.filled[row]
        end = at + len(ids)
        self.ids[row][at:end] = ids
        self.owner[row][at:end] = [owner] * len(ids)
        self.piece[row][at:end] = [len(self.ends)] * len(ids)
        self.position[row][at:end] = range(start, start + len(ids))
        self.filled[row] = end
        self.ends.append(end - 1)

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(torch.tensor(one, device=device) for one in (self.ids, self.owner, self.position))

    def block(self, device: torch.device) -> Tensor:
        """Which new tokens see which: the same piece's earlier ones, and itself; padding sees padding."""
        piece = torch.tensor(self.piece, device=device)
        causal = torch.ones(piece.shape[1], piece.shape[1], dtype=torch.bool, device=device).tril()
        return (piece[:, :, None] == piece[:, None, :]) & causal
