"""Chat templates as tokenizers carry them (Jinja): where they lie, and what one puts around a question.

A template is a program of the model's author: whatever comes of it is refused, and so is one that does not end.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .files import read_json
from .time_limit import TimeIsUp, in_time

TEMPLATE_SECONDS = 10.0  # of one filling in, which takes milliseconds
PLACE = "<image>"  # what some templates write for a picture, whatever their model's own token for one is
MARK = "\ue000"  # stands for the question while the template is filled in


class TemplateFault(Exception):
    """Why a template cannot be used."""


def read_template(tokenizer: Any, find: Callable[[str], Path | None]) -> str | None:
    """The template that the model's processor takes: of a file of its own, else the tokenizer's; None where there is
    none. `find`: the model's file of a name.
    """
    for name in ("chat_template.json", "chat_template.jinja", "processor_config.json"):
        found = find(name)
        if found is None:
            continue
        if name.endswith(".jinja"):
            return found.read_text(encoding="utf-8")
        values = read_json(found)
        if isinstance(values, dict) and isinstance(values.get("chat_template"), str):
            return values["chat_template"]
    template = getattr(tokenizer, "chat_template", None)
    return (template.get("default") if isinstance(template, dict) else template) or None


def around_question(tokenizer: Any, template: str, picture: str | None) -> tuple[str, str]:
    """The text before and behind a question. `picture`: what stands for one in the text; None: a question without.
    TemplateFault when it cannot be filled in, or drops the question or the picture.
    """
    content = [{"type": "image"}] * (picture is not None) + [{"type": "text", "text": MARK}]
    fault = ""
    for form in (content, MARK if picture is None else f"{picture}\n{MARK}"):
        try:
            text = filled_in(tokenizer, template, [{"role": "user", "content": form}], add_generation_prompt=True)
        except TemplateFault:
            raise
        except Exception as error:  # anything may come
            fault = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            continue
        if picture is not None and picture not in text:
            text = text.replace(PLACE, picture)
        if text.count(MARK) == 1 and (picture is None or picture in text):
            head, _, tail = text.partition(MARK)
            return head, tail
        fault = "it drops the question or the picture"
    raise TemplateFault(f"cannot be filled in ({fault})")


def filled_in(tokenizer: Any, template: str, messages: list[dict], **how: bool) -> str:
    """The template's text of the messages. TemplateFault when it does not end: it may hold loops in loops."""

    def fill() -> str:
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **how)

    try:
        return in_time(fill, TEMPLATE_SECONDS)
    except TimeIsUp:
        raise TemplateFault(f"takes more than {TEMPLATE_SECONDS:g} s for one question") from None
