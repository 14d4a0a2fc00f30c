"""Many names as a trie of their tokens: what names begin with in common is read once.

A node is a token behind what comes before it. A name is complete with the end of the answer behind its last node, so
"gull" and "gull tern" are two answers of which neither holds the other. The trie is walked in chunks, each the trie of
names that follow one another in the order of their tokens; a chunk begins at the question again, so that no chunk needs
what another has left in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from os.path import commonprefix

import torch
from torch import Tensor

NODES_AT_ONCE = 2048  # of one chunk; a name that is longer is a chunk by itself


@dataclass(frozen=True)
class Chunk:
    """Parents stand before their children. A parent of -1 is the question itself."""

    ids_N: Tensor
    parent_N: Tensor
    depth_N: Tensor  # 0 for the first token of an answer
    sees_NN: Tensor  # bool: [n, m] is m on the way to n, n included
    names_K: Tensor  # places of the names that end in this chunk
    last_K: Tensor  # the node of each one's last token

    def __len__(self) -> int:
        return len(self.ids_N)


@dataclass(frozen=True)
class NameTrie:
    """Names as tokens, each common beginning once, cut into chunks that are run one after the other."""

    names: int
    chunks: tuple[Chunk, ...]

    @property
    def nodes_at_once(self) -> int:
        """Nodes of the largest chunk."""
        return max(map(len, self.chunks))


def name_trie(names: Sequence[Sequence[int]]) -> NameTrie:
    """The trie of names as tokens; equal ones are one. ValueError for a name of no token."""
    return _trie(tuple(map(tuple, names)), NODES_AT_ONCE)


@lru_cache(maxsize=32)  # the same names behind every picture, a few forms of them at most
def _trie(names: tuple[tuple[int, ...], ...], limit: int) -> NameTrie:
    if not names or () in names:
        raise ValueError("a name without tokens cannot be told from no answer")
    order = sorted(range(len(names)), key=lambda place: names[place])
    groups: list[list[int]] = []
    size, before = 0, ()
    for place in order:
        new = len(names[place]) - len(commonprefix([before, names[place]]))
        if not groups or size + new > limit:
            groups.append([])
            size, new = 0, len(names[place])
        groups[-1].append(place)
        size, before = size + new, names[place]
    return NameTrie(len(names), tuple(_chunk(names, group) for group in groups))


def _chunk(names: Sequence[tuple[int, ...]], group: Sequence[int]) -> Chunk:
    nodes: dict[tuple[int, ...], int] = {}  # the way to a node -> its number
    for place in group:
        for end in range(1, len(names[place]) + 1):
            nodes.setdefault(names[place][:end], len(nodes))
    parents = [nodes.get(way[:-1], -1) for way in nodes]
    sees = torch.eye(len(nodes), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            sees[node] |= sees[parent]
    return Chunk(
        torch.tensor([way[-1] for way in nodes]),
        torch.tensor(parents),
        torch.tensor([len(way) - 1 for way in nodes]),
        sees,
        torch.tensor(group),
        torch.tensor([nodes[names[place]] for place in group]),
    )
