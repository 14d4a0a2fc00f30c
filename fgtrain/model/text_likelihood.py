"""How likely plain texts are to a model."""

from collections.abc import Iterator

import torch

from fgtrain.batch import IGNORE_INDEX, Batch

from .lvlm import LVLM


@torch.no_grad()
def text_log_likelihood(lvlm: LVLM, token_ids: list[list[int]], tokens_at_once: int = 4096) -> list[tuple[float, int]]:
    """(sum of ln p of tokens 1.. given those before, how many these are) of each text."""
    results: list[tuple[float, int]] = [(0.0, 0)] * len(token_ids)
    for places in _batches_by_length([len(ids) for ids in token_ids], tokens_at_once):
        batch = _text_batch([token_ids[i] for i in places]).to(lvlm.device)
        losses = iter(lvlm.token_losses_S(batch).double().cpu().split([len(token_ids[i]) - 1 for i in places]))
        for i in places:
            results[i] = (-next(losses).sum().item(), len(token_ids[i]) - 1)
    return results


def _batches_by_length(lengths: list[int], tokens_at_once: int) -> Iterator[list[int]]:
    """Indices of texts with at least two tokens, alike lengths together, padded size at most `tokens_at_once`."""
    batch: list[int] = []
    for i in sorted((i for i in range(len(lengths)) if lengths[i] > 1), key=lambda i: (lengths[i], i)):
        if batch and lengths[i] * (len(batch) + 1) > tokens_at_once:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _text_batch(texts: list[list[int]]) -> Batch:
    """Plain texts, one a row, padded on the right; every token after the first is a target."""
    shape = (len(texts), max(map(len, texts)))
    ids, targets = torch.zeros(shape, dtype=torch.int64), torch.full(shape, IGNORE_INDEX)
    sample = torch.zeros(shape, dtype=torch.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        targets[row, : len(text) - 1] = torch.tensor(text[1:])
        sample[row, : len(text)] = 1
    return Batch(
        token_ids_BT=ids,
        targets_BT=targets,
        weights_BT=(targets != IGNORE_INDEX).float(),
        sample_id_BT=sample,
        branch_id_BT=torch.zeros_like(sample),
        position_ids_BT=torch.arange(shape[1]).expand(shape),
        is_image_BT=torch.zeros(shape, dtype=torch.bool),
    )
