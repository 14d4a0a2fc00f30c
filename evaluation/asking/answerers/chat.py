"""Questions as a released model was taught to read them: its own chat template, as tokens.

Special tokens written in a question stay text; only the template's own count.
"""

import re
from collections.abc import Sequence
from typing import Any

from data_builders.shared.chat_templates import MARK, TemplateFault, around_question, filled_in, read_template
from data_builders.shared.errors import UserError
from data_builders.shared.llava_as_published import SYSTEM

from ...shared.pretrained import find_file
from .picture_tensors import Picture

# What a model without a chat template was trained on: (before the question, behind it); {image} is its picture.
PLAIN = {
    "blip-2": ("{image}Question: ", " Answer:"),
    "llava": ("USER: {image}\n", " ASSISTANT:"),
}


class Chat:
    """The tokens of one model's prompts."""

    def __init__(self, source: str, tokenizer: Any, model_type: str, image_token_id: int) -> None:
        """UserError when there is no chat template, or it leaves the picture out."""
        self.tokenizer, self.source, self.image_token_id = tokenizer, source, image_token_id
        self.template = read_template(tokenizer, lambda name: find_file(source, name))
        # BLIP-2's picture stands even before the begin-of-text token.
        self.image_first = model_type == "blip-2" and self.template is None
        if self.template is None and model_type not in PLAIN:
            raise UserError(
                f"--model {source}: no chat template (chat_template.jinja, or in tokenizer_config.json), so how it "
                "wants to be asked is unknown. Copy it from the original model"
            )
        self.plain = PLAIN.get(model_type)
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        special |= {one for one in (*tokenizer.all_special_tokens, self._placeholder) if one}
        self._special = re.compile(
            "|".join(re.escape(one) for one in sorted(special, key=len, reverse=True)) or r"(?!)"
        )
        self.around = {with_image: self._around(with_image) for with_image in (True, False)}
        # As the code of LLaVA-1.5 and -1.6 asks: with a system text, which its converted releases leave out; and what
        # stands behind the picture is made tokens by itself.
        self.as_llava = model_type in ("llava", "llava_next") and self._is_llavas(*self.around[True])
        if self.as_llava:
            head, tail = f"{SYSTEM} USER: ", " ASSISTANT:"
            self.around = {True: (f"{head}{self._placeholder}\n", tail), False: (head, tail)}
        if self.image_token_id not in self._ids("".join(self.around[True])) and not self.image_first:
            raise UserError(f"--model {source}: its chat template leaves the picture out of the prompt")

    @property
    def settings(self) -> dict:
        return {"prompt": list(self.around[True]), "text_prompt": list(self.around[False])}

    @property
    def _placeholder(self) -> str:
        return self.tokenizer.convert_ids_to_tokens(self.image_token_id)

    def _is_llavas(self, head: str, tail: str) -> bool:
        """Is it the turn that LLaVA-1.5 was trained with?"""
        begin = self.tokenizer.bos_token or ""
        return head.removeprefix(begin) == f"USER: {self._placeholder}\n" and tail == " ASSISTANT:"

    def _around(self, with_image: bool) -> tuple[str, str]:
        """The text before and behind the question."""
        if self.template is None:
            head, tail = self.plain
            image = self._placeholder if with_image and not self.image_first else ""
            return head.format(image=image), tail
        try:
            return around_question(self.tokenizer, self.template, self._placeholder if with_image else None)
        except TemplateFault as fault:
            raise UserError(f"--model {self.source}: its chat template {fault}") from None

    def prompt(self, question: str, picture: Picture | None) -> tuple[list[int], int]:
        """(the prompt's tokens, the number of those up to the picture's last one)."""
        head, tail = self.around[picture is not None]
        if self.as_llava:
            first, _, behind = head.partition(self._placeholder)
            begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
            if picture is None:
                return begin + self._as_text(head + question + tail), 0
            shared = [*begin, *self._as_text(first), *picture.run]
            return shared + self._as_text(behind + question + tail), len(shared)
        if picture is not None and picture.lead:
            head = head.replace(self._placeholder, picture.lead + self._placeholder)
        if self._special.search(question):
            ids = [*self._ids(head), *self._as_text(question), *self._ids(tail, bos=False)]
        else:
            ids = self._ids(head + question + tail)
        if picture is None:
            return ids, 0
        if self.image_first:
            return picture.run + ids, len(picture.run)
        place = ids.index(self.image_token_id)
        return ids[:place] + picture.run + ids[place + 1 :], place + len(picture.run)

    def options(self, question: str, options: Sequence[str], with_image: bool) -> list[tuple[int, ...]]:
        """The tokens that each option has as the beginning of the answer."""
        tail = self.around[with_image][1]
        anchor = tail[-12:] if tail else question[-12:]
        known = self._ids(anchor, bos=False)
        # A prompt that ends with a word (ASSISTANT:) is followed by a blank, one that ends its line is not.
        blank = "" if not anchor or anchor[-1].isspace() or anchor.endswith(">") else " "
        found = []
        for option in options:
            ids = self._ids(anchor + blank + option, bos=False)
            found.append(tuple(ids[len(known) :] if ids[: len(known)] == known else self._ids(option, bos=False)))
        return found

    def end_tokens(self) -> set[int]:
        """The special token that the template writes behind an answer, where it does."""
        if self.template is None:
            return set()
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": MARK}]
        for form in (messages, [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in messages]):
            try:
                text = filled_in(self.tokenizer, self.template, form)
            except TemplateFault as fault:
                raise UserError(f"--model {self.source}: its chat template {fault}") from None
            except Exception:
                continue
            behind = text.rpartition(MARK)[2].lstrip()
            found = self._special.match(behind)
            return {self.tokenizer.convert_tokens_to_ids(found.group())} if found else set()
        return set()

    def _ids(self, text: str, bos: bool = True) -> list[int]:
        begin = self.tokenizer.bos_token
        # As transformers' processors do: a template that writes the begin of text itself gets no second one.
        return self.tokenizer(text, add_special_tokens=bos and not (begin and text.startswith(begin)))["input_ids"]

    def _as_text(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
