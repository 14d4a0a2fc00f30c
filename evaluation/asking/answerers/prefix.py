"""Pictures read once: the model's own forward over the tokens up to the picture's last one, keys and values kept.

Everything that is special about a family (where image features go, several axes of positions) happens in its own code;
what it handed to its decoder is looked at, not computed again.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .language import Language, Prefixes
from .one_by_one import takes, text_inputs
from .picture_tensors import Picture, together


class PrefixReader:
    """Reads prefixes with one model; `language` goes on from them."""

    def __init__(self, model: nn.Module, tokenizer: Any, image_token_id: int, end: Sequence[int]) -> None:
        """ValueError (why) where the model's attention does not let questions go on side by side."""
        self.model, self.image_token_id = model, image_token_id
        text = getattr(model.config, "text_config", model.config)
        kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"}:
            raise ValueError(f"its layers are {', '.join(sorted(kinds))}")
        decoder, head = model.get_decoder(), model.get_output_embeddings()
        if decoder.get_output_embeddings() is not None:  # a whole language model inside (BLIP-2)
            decoder = decoder.get_decoder()
        if decoder is model or head is None:
            raise ValueError("its decoder is not known here")
        self.padding = next(one for one in (tokenizer.pad_token_id, 0, 1) if one is not None and one != image_token_id)
        device = model.get_input_embeddings().weight.device
        ends = torch.tensor(list(end), dtype=torch.int64, device=device)
        self.decoder = decoder
        self.language = Language(decoder, head, model.get_input_embeddings(), ends)

    def read(self, heads: Sequence[Sequence[int]], pictures: Sequence[Picture | None]) -> Prefixes:
        """`heads`: each prompt's tokens up to its picture's last one; empty without a picture."""
        device = self.language.device
        lengths = torch.tensor([len(head) for head in heads], device=device)
        longest = max(map(len, heads))
        if longest == 0:
            return self._nothing(lengths)
        tokens = torch.tensor([[*head, *[self.padding] * (longest - len(head))] for head in heads], device=device)
        mask = (torch.arange(longest, device=device) < lengths[:, None]).long()
        mask[lengths == 0, 0] = 1  # no row may see nothing
        seen: dict[str, Any] = {}
        hook = self.decoder.register_forward_pre_hook(lambda _, __, kwargs: seen.update(kwargs), with_kwargs=True)
        cache = DynamicCache()
        try:
            self.model(
                **text_inputs(self.model, tokens, mask, self.image_token_id),
                **together([one for one in pictures if one is not None], device, self.model.dtype),
                past_key_values=cache,
                use_cache=True,
                **({"logits_to_keep": 1} if takes(self.model, "logits_to_keep") else {}),
            )
        finally:
            hook.remove()
        if not all(type(layer) is DynamicLayer and layer.get_seq_length() == longest for layer in cache.layers):
            raise ValueError("its cache is not of keys and values alone")
        self._learn_axes(seen.get("position_ids"))
        layers = [(layer.keys, layer.values) for layer in cache.layers]
        return Prefixes(layers, lengths, next_positions(seen.get("position_ids"), lengths), None)

    def _learn_axes(self, position_ids: Tensor | None) -> None:
        axes = 0 if position_ids is None or position_ids.ndim == 2 else len(position_ids)
        if axes != self.language.position_axes:
            self.language = Language(
                self.language.decoder, self.language.lm_head, self.language.embedding, self.language.end, axes
            )

    def _nothing(self, lengths: Tensor) -> Prefixes:
        """Prefixes of questions without a picture: keys and values of one token that nothing sees."""
        cache = DynamicCache()
        ids = torch.full((1, 1), self.padding, device=lengths.device)
        self.decoder(inputs_embeds=self.language.embedding(ids), past_key_values=cache, use_cache=True)
        rows = len(lengths)
        layers = [tuple(one.expand(rows, -1, -1, -1) for one in (layer.keys, layer.values)) for layer in cache.layers]
        return Prefixes(layers, lengths, torch.zeros_like(lengths), None)


def next_positions(position_ids: Tensor | None, lengths: Tensor) -> Tensor:
    """Of the first token behind each prefix: one more than the largest, on whatever axis, within its length."""
    if position_ids is None:
        return lengths
    position_RT = position_ids.amax(0) if position_ids.ndim == 3 else position_ids
    position_RT = position_RT.expand(len(lengths), -1).to(lengths.device)
    real = torch.arange(position_RT.shape[1], device=lengths.device) < lengths[:, None]
    return torch.where(real, position_RT, -1).amax(1) + 1
