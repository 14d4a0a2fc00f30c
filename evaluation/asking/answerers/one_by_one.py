"""One question at a time through the model's own `generate`: right for every family, and the measure of the rest."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from .language import Option, Reply
from .picture_tensors import Picture, together


class OneByOne:
    def __init__(self, model: nn.Module, tokenizer: Any, image_token_id: int, end: Sequence[int]) -> None:
        self.model, self.tokenizer, self.image_token_id, self.end = model, tokenizer, image_token_id, list(end)
        text = getattr(model.config, "text_config", model.config)
        self.encoder_decoder = bool(getattr(text, "is_encoder_decoder", False))
        parameters = inspect.signature(model.forward).parameters
        # BLIP-2 has no way to ask without one.
        self.needs_picture = (
            "pixel_values" in parameters and parameters["pixel_values"].default is inspect.Parameter.empty
        )

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def inputs(self, ids: Sequence[int], picture: Picture | None) -> dict[str, Tensor]:
        """What the model's forward takes for one prompt."""
        tokens = torch.tensor([list(ids)], device=self.device)
        tensors = together([picture], self.device, self.model.dtype) if picture else {}
        return {**text_inputs(self.model, tokens, torch.ones_like(tokens), self.image_token_id), **tensors}

    def reply(
        self, ids: Sequence[int], picture: Picture | None, max_new_tokens: int, options: Sequence[tuple[int, ...]]
    ) -> Reply:
        inputs = self.inputs(ids, picture)
        settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=self.end or None,
            pad_token_id=self.tokenizer.pad_token_id
            if self.tokenizer.pad_token_id is not None
            else (self.end or [0])[0],
            bos_token_id=self.tokenizer.bos_token_id,
            decoder_start_token_id=getattr(self.model.generation_config, "decoder_start_token_id", None)
            or getattr(getattr(self.model.config, "text_config", None), "decoder_start_token_id", None),
        )
        made = self.model.generate(**inputs, generation_config=settings)[0].tolist()
        if self.encoder_decoder:
            made = made[1:]
        elif made[: len(ids)] == list(ids):
            made = made[len(ids) :]
        ends = [place for place, token in enumerate(made) if token in self.end]
        finished = bool(ends)
        return Reply(made[: ends[0]] if ends else made, finished, self.weigh(ids, picture, options))

    def weigh(
        self, ids: Sequence[int], picture: Picture | None, options: Sequence[tuple[int, ...]]
    ) -> tuple[Option, ...]:
        """(sum of ln p, tokens) of each option as the beginning of the answer."""
        return tuple((float(self._log_p(ids, picture, one).sum()), len(one)) if one else (0.0, 0) for one in options)

    def names(self, ids: Sequence[int], picture: Picture | None, names: Sequence[Sequence[int]]) -> tuple[float, ...]:
        """ln p of each name as the whole answer, with any of the tokens that end one behind it: one pass a name."""
        found = []
        for name in names:
            log_p = torch.log_softmax(self._logits(ids, picture, name)[-len(name) - 1 :], -1)
            steps = log_p[:-1].gather(1, torch.tensor([list(name)], device=log_p.device).T)
            found.append(float(steps.double().sum() + log_p[-1, self.end].logsumexp(-1).double()))
        return tuple(found)

    def likeliest(self, ids: Sequence[int], picture: Picture | None) -> tuple[tuple[int, ...], float]:
        """The two likeliest next tokens, one after the other, and their log-probability."""
        first = int(self._logits(ids, picture, ())[-1].argmax())
        second = int(self._logits(ids, picture, (first,))[-1].argmax())
        return (first, second), float(self._log_p(ids, picture, (first, second)).sum())

    def text(self, ids: Sequence[int]) -> tuple[float, int]:
        """(sum of ln p of tokens 1.., how many these are) of a plain text."""
        if len(ids) < 2:
            return 0.0, 0
        return float(self._log_p(ids[:1], None, ids[1:]).double().sum()), len(ids) - 1

    def _log_p(self, ids: Sequence[int], picture: Picture | None, then: Sequence[int]) -> Tensor:
        logits = self._logits(ids, picture, then[:-1])[-len(then) :]
        return torch.log_softmax(logits, -1).gather(1, torch.tensor([list(then)], device=logits.device).T)[:, 0]

    def _logits(self, ids: Sequence[int], picture: Picture | None, then: Sequence[int]) -> Tensor:
        """fp32 logits of the tokens after the prompt and after each of `then`, last ones last."""
        if not self.encoder_decoder:
            keep = {"logits_to_keep": len(then) + 1} if takes(self.model, "logits_to_keep") else {}
            return self.model(**self.inputs([*ids, *then], picture), **keep).logits[0].float()
        start = self.model.config.text_config.decoder_start_token_id
        decoder = torch.tensor([[start, *then]], device=self.device)
        return self.model(**self.inputs(ids, picture), decoder_input_ids=decoder).logits[0].float()


def takes(module: nn.Module, name: str) -> bool:
    return name in inspect.signature(module.forward).parameters


def text_inputs(model: nn.Module, tokens: Tensor, mask: Tensor, image_token_id: int) -> dict[str, Tensor]:
    """input_ids, attention_mask and, for models that ask for it, which tokens are of a picture."""
    inputs = {"input_ids": tokens, "attention_mask": mask}
    for name in ("mm_token_type_ids", "token_type_ids"):
        if takes(model, name):
            inputs[name] = (tokens == image_token_id).int()
    return inputs
