"""Answers of an LVLM, greedy or drawn: each image's tokens are read once, its questions go on from there side by side.

Reading a prefix is this project's own (image features scattered among token embeddings); what follows is the same for
every model that evaluation asks.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from evaluation.asking.answerers.branches import answer_branches, in_groups
from evaluation.asking.answerers.language import Branch, Language, Prefixes, Reply, Sampling
from evaluation.asking.answerers.name_trie import NameTrie
from fgtrain.batch import Prompt, joined_BTT, joined_runs
from fgtrain.templates import EOS, TEMPLATES

from .packed_attention import mask_dtype

PREFIX_TOKENS_AT_ONCE = 8192  # padded tokens of one forward pass over prefixes
BRANCH_TOKENS_AT_ONCE = 16384  # cached tokens (prefix, questions, answers, options) of the rows that decode together
Options = list[list[list[list[int]]]]  # prompt, branch, option, token
Names = list[list[NameTrie | None]]  # prompt, branch
Samplings = list[list[Sampling]]  # prompt, branch
Answers = list[list[tuple[list[int], bool]]]


@torch.no_grad()
def generate(
    lvlm: Any, prompts: list[Prompt], features: list[Tensor | None], shapes: list[Tensor | None] | None = None
) -> Answers:
    """Greedy answers: for each prompt and each of its branches (new token ids without the end token, finished).

    `features[i]`: `encode_images` of prompt i's images, [P, F] or [images, P, F]; None without image; `shapes[i]`:
    their shapes_IK. A prefix is read once for all its branches. `finished`: the end token came within
    max_new_tokens. An answer does not depend on what else is asked.
    """
    replies = answers(lvlm, prompts, features, shapes=shapes)
    return [[(reply.tokens, reply.finished) for reply in group] for group in replies]


@torch.no_grad()
def answers(
    lvlm: Any,
    prompts: list[Prompt],
    features: list[Tensor | None],
    options: Options | None = None,
    shapes: list[Tensor | None] | None = None,
    names: Names | None = None,
) -> list[list[Reply]]:
    """As `generate`, and with `options` (token ids by prompt, branch, option) each reply has `options`: (sum of
    ln p, tokens) of each option as the beginning of the answer, from the same reading of prefix and question; with
    `names`, ln p of each name as the whole answer.
    """
    return Generator(lvlm).answers(prompts, features, options, shapes, names)


@torch.no_grad()
def sampled_answers(
    lvlm: Any, prompts: list[Prompt], tokens: list[Tensor | None], samplings: Samplings
) -> list[list[Reply]]:
    """A drawn answer to each branch, as its `samplings` say. `tokens[i]`: what `LVLM.image_tokens` makes of prompt i's
    images [image tokens, D]; None without image. A prefix is read once for all its branches.
    """
    return Generator(lvlm).answers_to(prompts, lambda i: tokens[i], samplings=samplings)


class Generator:
    """Answers prompts with one LVLM."""

    def __init__(self, lvlm: Any) -> None:
        self.lvlm = lvlm
        self.decoder, self.lm_head = lvlm.decoder, lvlm.lm_head
        self.embedding = lvlm.hf.get_input_embeddings()
        self.device = lvlm.device
        self.end = self._end_tokens()

    def _end_tokens(self) -> Tensor:
        """Tokens that end an answer: the tokenizer's, the chat's, and those the model's generation settings name."""
        ids = {self.lvlm.tokenizer.eos_token_id}
        end = TEMPLATES[self.lvlm.chat].end
        if end != EOS:  # answers are taught to end so, whatever ends the tokenizer's texts
            ids.add(self.lvlm.tokenizer.convert_tokens_to_ids(str(end)))
        settings = getattr(self.lvlm.hf, "generation_config", None)
        named = getattr(settings, "eos_token_id", None)
        ids |= set(named) if isinstance(named, list | tuple) else {named}
        return torch.tensor(sorted(i for i in ids if i is not None), dtype=torch.int64, device=self.device)

    def answers(
        self,
        prompts: list[Prompt],
        features: list[Tensor | None],
        options: Options | None = None,
        shapes: list[Tensor | None] | None = None,
        names: Names | None = None,
    ) -> list[list[Reply]]:
        """One reply a branch; with `options` and `names`, each holds what the model makes of those of its branch."""
        shapes = shapes or [None] * len(prompts)
        if len(prompts) != len(features):
            raise ValueError(f"{len(prompts)} prompts, but {len(features)} features")
        return self.answers_to(prompts, lambda i: self._image_tokens(features[i], shapes[i]), options, names)

    def answers_to(
        self,
        prompts: list[Prompt],
        image_tokens: Callable[[int], Tensor | None],
        options: Options | None = None,
        names: Names | None = None,
        samplings: Samplings | None = None,
    ) -> list[list[Reply]]:
        """As `answers`. `image_tokens(i)`: what fills the image positions of prompt i, [tokens, D]."""
        results: list[list[Reply]] = [[Reply([], False)] * len(prompt.branches) for prompt in prompts]
        if any(not prompt.prefix_ids and [] in prompt.branches for prompt in prompts):
            raise ValueError("a prompt's prefix and one of its branches are both empty: no token to answer from")
        asked = [i for i, prompt in enumerate(prompts) if prompt.branches]
        axes = self.lvlm.image_spec.axes
        language = Language(
            self.decoder, self.lm_head, self.embedding, self.end, axes if axes > 1 else 0, mask_dtype=mask_dtype
        )
        for group in in_groups(asked, lambda i: len(prompts[i].prefix_ids), PREFIX_TOKENS_AT_ONCE):
            prefixes = self._read_prefixes([prompts[i] for i in group], [image_tokens(i) for i in group])
            places = [(i, b) for i in group for b in range(len(prompts[i].branches))]
            branches = [
                Branch(
                    group.index(i),
                    prompts[i].branches[b],
                    prompts[i].max_new_tokens[b],
                    tuple(map(tuple, options[i][b])) if options else (),
                    names[i][b] if names else None,
                    samplings[i][b] if samplings else None,
                )
                for i, b in places
            ]
            replies = answer_branches(language, prefixes, branches, BRANCH_TOKENS_AT_ONCE)
            for (i, b), reply in zip(places, replies, strict=True):
                results[i][b] = reply
        return results

    def _read_prefixes(self, prompts: list[Prompt], images: list[Tensor | None]) -> Prefixes:
        lengths = [len(prompt.prefix_ids) for prompt in prompts]
        T = max(1, *lengths)  # a text-only prompt has no prefix where the tokenizer has no begin-of-text token
        ids = _padded([prompt.prefix_ids for prompt in prompts], T, self.device)
        is_image = _padded(
            [[int(flag) for flag in prompt.prefix_is_image] for prompt in prompts], T, self.device
        ).bool()
        embeds = self.embedding(ids)
        for prompt, tokens in zip(prompts, images, strict=True):
            if (made := 0 if tokens is None else len(tokens)) != (places := sum(prompt.prefix_is_image)):
                raise ValueError(f"{made} image tokens do not fill {places} image positions")
        found = [tokens for tokens in images if tokens is not None]
        if found:
            embeds = self.lvlm.with_images(embeds, is_image, torch.cat(found))
        length = torch.tensor(lengths, device=self.device)
        place = torch.arange(T, device=self.device)
        allowed = (place[:, None] >= place[None, :]) & (place < length[:, None])[:, None, :]
        allowed = allowed | torch.eye(T, dtype=torch.bool, device=self.device)
        if self.lvlm.family.joined_images:
            allowed = allowed | joined_BTT(joined_runs(is_image))
        positions, after = self._positions(prompts, T)
        cache = DynamicCache()
        hidden = self._forward(self.lvlm.decoder_inputs(embeds, is_image), allowed, positions, cache)
        last = hidden[torch.arange(len(prompts), device=self.device), (length - 1).clamp(min=0)]
        # In the type that attention reads them in: rotation leaves fp32 keys, which would be cast for each new token.
        narrow = mask_dtype(embeds)
        layers = [(layer.keys.to(narrow), layer.values.to(narrow)) for layer in cache.layers]
        return Prefixes(layers, length, after, last)

    def _image_tokens(self, features: Tensor | None, shapes: Tensor | None) -> Tensor | None:
        """What fills the image positions of a prompt, [tokens, D]; None where it has no image."""
        if features is None:
            return None
        features_NPF = features.reshape(-1, *features.shape[-2:]).to(self.device).float()
        return self.lvlm.image_tokens(features_NPF, None if shapes is None else shapes.to(self.device))

    def _positions(self, prompts: list[Prompt], T: int) -> tuple[Tensor, Tensor]:
        """(of the prefixes' tokens [prompts, T], or [axes, prompts, T]; of what comes next [prompts])."""
        lengths = [len(prompt.prefix_ids) for prompt in prompts]
        if all(prompt.prefix_positions is None for prompt in prompts):
            place = torch.arange(T, device=self.device)
            return place.expand(len(prompts), T), torch.tensor(lengths, device=self.device)
        axes = self.lvlm.image_spec.axes
        of = [prompt.prefix_positions or [list(range(len(prompt.prefix_ids)))] * axes for prompt in prompts]
        positions = torch.stack([_padded([one[axis] for one in of], T, self.device) for axis in range(axes)])
        after = torch.tensor([max(map(max, one), default=-1) + 1 if one[0] else 0 for one in of], device=self.device)
        return positions, after

    def _forward(self, inputs: dict[str, Any], allowed_BQK: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Last hidden states; `cache` grows by these tokens. Query q may see key k where `allowed_BQK`.

        `inputs`: the decoder's, as `decoder_inputs` gives them.
        """
        dtype = mask_dtype(inputs["inputs_embeds"])
        mask = torch.zeros(allowed_BQK.shape, dtype=dtype, device=self.device)
        mask = mask.masked_fill(~allowed_BQK, torch.finfo(dtype).min)[:, None]
        output = self.decoder(
            **inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return output.last_hidden_state


def _padded(rows: list[list[int]], length: int, device: torch.device) -> Tensor:
    """Rows padded with 0 on the right; what stands there is never seen."""
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows], dtype=torch.int64, device=device)
