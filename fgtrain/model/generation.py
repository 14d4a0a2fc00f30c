"""Greedy answers to many questions: a prefix is read once, its branches go on from it, finished ones leave the batch.

All attention goes through explicit float masks and position ids, so padding can be anywhere and an answer is the same
whatever else is asked.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from fgtrain.batch import Prompt

PREFIX_TOKENS_AT_ONCE = 8192  # padded tokens of one forward pass over prefixes
BRANCH_TOKENS_AT_ONCE = 16384  # cached tokens (prefix + branch + answer) of the rows that decode together


def mask_dtype(embeds: Tensor) -> torch.dtype:
    """The type attention will run in: a mask of a wider type would overflow when it is narrowed."""
    device = embeds.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeds.dtype


@dataclass(frozen=True)
class Question:
    """One branch: where its answer goes and what it goes on from."""

    prompt: int
    branch: int
    prefix_length: int
    ids: list[int]
    max_new_tokens: int


@dataclass(frozen=True)
class Prefixes:
    """What has been read of some prompts' prefixes."""

    layers: list[
        tuple[Tensor, Tensor]
    ]  # keys and values [prompts, heads, longest prefix, head size], padded on the right
    last: Tensor  # [prompts, D] hidden state at each prefix's last position; an empty branch answers from there


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
        if (
            self.lvlm.chat == "chatml"
        ):  # its answers are taught to end so, also where the tokenizer ends texts otherwise
            ids.add(self.lvlm.tokenizer.convert_tokens_to_ids("<|im_end|>"))
        settings = getattr(self.lvlm.hf, "generation_config", None)
        named = getattr(settings, "eos_token_id", None)
        ids |= set(named) if isinstance(named, list | tuple) else {named}
        return torch.tensor(sorted(i for i in ids if i is not None), dtype=torch.int64, device=self.device)

    def answers(self, prompts: list[Prompt], features: list[Tensor | None]) -> list[list[tuple[list[int], bool]]]:
        if len(prompts) != len(features):
            raise ValueError(f"{len(prompts)} prompts, but {len(features)} features")
        results: list[list[tuple[list[int], bool]]] = [[([], False)] * len(prompt.branches) for prompt in prompts]
        if any(not prompt.prefix_ids and [] in prompt.branches for prompt in prompts):
            raise ValueError("a prompt's prefix and one of its branches are both empty: no token to answer from")
        asked = [i for i, prompt in enumerate(prompts) if prompt.branches]
        for group in _in_groups(asked, lambda i: len(prompts[i].prefix_ids), PREFIX_TOKENS_AT_ONCE):
            prefixes = self._read_prefixes([prompts[i] for i in group], [features[i] for i in group])
            questions = [
                Question(place, branch, len(prompts[i].prefix_ids), ids, prompts[i].max_new_tokens[branch])
                for place, i in enumerate(group)
                for branch, ids in enumerate(prompts[i].branches)
            ]

            def size(q: int, questions: list[Question] = questions) -> int:
                return questions[q].prefix_length + len(questions[q].ids) + questions[q].max_new_tokens

            for rows in _in_groups(range(len(questions)), size, BRANCH_TOKENS_AT_ONCE):
                chosen = [questions[q] for q in rows]
                for question, answer in zip(chosen, self._decode(prefixes, chosen), strict=True):
                    results[group[question.prompt]][question.branch] = answer
        return results

    def _read_prefixes(self, prompts: list[Prompt], features: list[Tensor | None]) -> Prefixes:
        lengths = [len(prompt.prefix_ids) for prompt in prompts]
        T = max(1, *lengths)  # a text-only prompt has no prefix where the tokenizer has no begin-of-text token
        ids = _padded([prompt.prefix_ids for prompt in prompts], T, self.device)
        is_image = _padded(
            [[int(flag) for flag in prompt.prefix_is_image] for prompt in prompts], T, self.device
        ).bool()
        embeds = self.embedding(ids)
        given = [f.reshape(-1, *f.shape[-2:]) for f in features if f is not None]
        for prompt, feature in zip(prompts, features, strict=True):
            held = 0 if feature is None else feature.shape[:-1].numel()
            if sum(prompt.prefix_is_image) != held:
                raise ValueError(f"{held} image tokens do not fill {sum(prompt.prefix_is_image)} image positions")
        if given:
            images_NPD = self.lvlm.project(torch.cat(given).to(self.device).float())
            embeds = embeds.masked_scatter(is_image[..., None], images_NPD.to(embeds.dtype))
        length = torch.tensor(lengths, device=self.device)
        place = torch.arange(T, device=self.device)
        allowed = (place[:, None] >= place[None, :]) & (place < length[:, None])[:, None, :]
        allowed = allowed | torch.eye(T, dtype=torch.bool, device=self.device)
        cache = DynamicCache()
        hidden = self._forward(embeds, allowed, place.expand(len(prompts), T), cache)
        last = hidden[torch.arange(len(prompts), device=self.device), (length - 1).clamp(min=0)]
        return Prefixes([(layer.keys, layer.values) for layer in cache.layers], last)

    def _decode(self, prefixes: Prefixes, questions: list[Question]) -> list[tuple[list[int], bool]]:
        """Answers of questions that run together: one pass over their branches, then token by token."""
        Tp = max(q.prefix_length for q in questions)
        Tb = max(len(q.ids) for q in questions)
        prompt_R = torch.tensor([q.prompt for q in questions], device=self.device)
        prefix_R = torch.tensor([q.prefix_length for q in questions], device=self.device)
        branch_R = torch.tensor([len(q.ids) for q in questions], device=self.device)
        limit_R = torch.tensor([q.max_new_tokens for q in questions], device=self.device)
        cache = DynamicCache()
        for i, (keys, values) in enumerate(prefixes.layers):
            cache.update(keys[prompt_R, :, :Tp], values[prompt_R, :, :Tp], i)

        sees_prefix_RT = torch.arange(Tp, device=self.device) < prefix_R[:, None]
        sees_branch_RT = torch.arange(Tb, device=self.device) < branch_R[:, None]
        last = prefixes.last[prompt_R]
        if Tb:
            place = torch.arange(Tb, device=self.device)
            causal = (place[:, None] >= place[None, :]) & sees_branch_RT[:, None, :]
            causal = causal | torch.eye(Tb, dtype=torch.bool, device=self.device)
            allowed = torch.cat([sees_prefix_RT[:, None, :].expand(-1, Tb, -1), causal], dim=2)
            embeds = self.embedding(_padded([q.ids for q in questions], Tb, self.device))
            hidden = self._forward(embeds, allowed, prefix_R[:, None] + place, cache)
            reached = hidden[torch.arange(len(questions), device=self.device), (branch_R - 1).clamp(min=0)]
            last = torch.where(branch_R[:, None] > 0, reached, last)

        new: list[list[int]] = [[] for _ in questions]
        finished = [False] * len(questions)
        rows = list(range(len(questions)))  # the question that each row of the running batch answers
        seen = torch.cat([sees_prefix_RT, sees_branch_RT], dim=1)
        position_R = prefix_R + branch_R
        count = 0
        while True:
            token_R = self.lm_head(last).float().argmax(-1)
            ended = torch.isin(token_R, self.end)
            stop = ended | (count + 1 >= limit_R)
            going = []
            for r, (token, has_ended, stops) in enumerate(
                zip(token_R.tolist(), ended.tolist(), stop.tolist(), strict=True)
            ):
                question = rows[r]
                if count < questions[question].max_new_tokens:
                    if has_ended:
                        finished[question] = True
                    else:
                        new[question].append(token)
                if not stops:
                    going.append(r)
            if not going:
                return list(zip(new, finished, strict=True))
            if len(going) < len(rows):
                keep = torch.tensor(going, device=self.device)
                rows = [rows[r] for r in going]
                cache.batch_select_indices(keep)
                token_R, seen, position_R, limit_R = token_R[keep], seen[keep], position_R[keep], limit_R[keep]
            seen = torch.cat([seen, seen.new_ones(len(rows), 1)], dim=1)
            last = self._forward(self.embedding(token_R[:, None]), seen[:, None], position_R[:, None], cache)[:, 0]
            position_R = position_R + 1
            count += 1

    def _forward(self, embeds: Tensor, allowed_BQK: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Last hidden states; `cache` grows by these tokens. Query q may see key k where `allowed_BQK`."""
        dtype = mask_dtype(embeds)
        mask = torch.zeros(allowed_BQK.shape, dtype=dtype, device=self.device)
        mask = mask.masked_fill(~allowed_BQK, torch.finfo(dtype).min)[:, None]
        output = self.decoder(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return output.last_hidden_state


def _padded(rows: list[list[int]], length: int, device: torch.device) -> Tensor:
    """Rows padded with 0 on the right; what stands there is never seen."""
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows], dtype=torch.int64, device=device)


def _in_groups(items: Any, size: Any, limit: int) -> list[list[int]]:
    """Items in groups of alike size, such that count x largest size stays within `limit` (one item may exceed it)."""
    groups: list[list[int]] = []
    for item in sorted(items, key=size):
        if groups and (len(groups[-1]) + 1) * size(item) <= limit:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
