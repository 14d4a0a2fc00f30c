"""Greedy answers to many questions: what is common is read once, each question goes on from it."""

from collections.abc import Callable, Sequence

from .language import Branch, Language, Prefixes, Reply
from .running import Run

BRANCHES_A_ROW = 16  # more would see more of each other's masked keys than a second copy of the prefix costs


def answer_branches(
    language: Language, prefixes: Prefixes, branches: Sequence[Branch], tokens_at_once: int
) -> list[Reply]:
    """The greedy answer to each branch. `tokens_at_once`: cached tokens (padded) of the rows that run together."""
    lengths = prefixes.length_R.tolist()
    rows: list[list[int]] = []  # indices of the branches of each row
    by_prefix: dict[int, list[int]] = {}
    for index, branch in enumerate(branches):
        by_prefix.setdefault(branch.prefix, []).append(index)
    for indices in by_prefix.values():
        # Alike lengths in one row: the longest answer decides how long a row runs.
        indices = sorted(indices, key=lambda i: (-branches[i].max_new_tokens, -len(branches[i].ids)))
        rows += [indices[i : i + BRANCHES_A_ROW] for i in range(0, len(indices), BRANCHES_A_ROW)]

    def size(row: list[int]) -> int:
        return lengths[branches[row[0]].prefix] + sum(_size(branches[i]) for i in row)

    # A row that does not fit even alone gives up its last questions.
    fitting: list[list[int]] = []
    while rows:
        row = rows.pop()
        while len(row) > 1 and size(row) > tokens_at_once:
            rows.append([row.pop()])
        fitting.append(row)
    replies: list[Reply] = [Reply([], False)] * len(branches)
    for together in in_groups(fitting, size, tokens_at_once):
        chosen = [[branches[i] for i in row] for row in together]
        for row, answered in zip(together, Run(language, prefixes, chosen).replies(), strict=True):
            for i, reply in zip(row, answered, strict=True):
                replies[i] = reply
    return replies


def _size(branch: Branch) -> int:
    walked = branch.names.nodes_at_once if branch.names else 0
    return len(branch.ids) + branch.max_new_tokens + sum(map(len, branch.options)) + walked


def in_groups(items: Sequence, size: Callable, limit: int) -> list[list]:
    """Items in groups of alike size, such that count x largest size stays within `limit` (one item may exceed it)."""
    groups: list[list] = []
    for item in sorted(items, key=size):
        if groups and (len(groups[-1]) + 1) * size(item) <= limit:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
