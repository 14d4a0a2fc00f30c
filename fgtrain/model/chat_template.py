"""A turn template in Jinja, as tokenizers carry it: other programs then show a model the tokens of its training."""

import re
from typing import Any

from fgtrain.images import ImageSpec
from fgtrain.templates import BOS, EOS, TEMPLATES, Pieces, Special, Template

# A message's content is a text, or a list of texts and pictures.
WORDS = (
    "{%- macro words(content) -%}"
    "{%- if content is string -%}{{ content | trim }}"
    "{%- else -%}{%- for piece in content if piece['type'] == 'text' -%}"
    "{{ ' ' if not loop.first }}{{ piece['text'] | trim }}"
    "{%- endfor -%}{%- endif -%}{%- endmacro -%}"
)
# All pictures stand before the first question, whatever their places are.
COUNT = (
    "{%- set found = namespace(images=0) -%}"
    "{%- for message in messages -%}{%- if message['content'] is not string -%}"
    "{%- for piece in message['content'] -%}{%- if piece['type'] in ['image', 'image_url'] -%}"
    "{%- set found.images = found.images + 1 -%}"
    "{%- endif -%}{%- endfor -%}{%- endif -%}{%- endfor -%}"
)


def chat_template(chat: str, tokenizer: Any, spec: ImageSpec, picture: str | None) -> str:
    """Jinja that renders a conversation as training shows it, up to where the next answer begins.

    `picture`: what stands for one picture, before a processor repeats it; None: the model's pictures are not written
    into its text, and a conversation with one is refused.
    """
    template = TEMPLATES[chat]

    def text(pieces: Pieces, **values: str) -> str:
        return _text(pieces, tokenizer, values)

    image = "{{ raise_exception('pictures are not part of the text of this model') }}"
    if picture is not None:
        between = text(template.between_images)
        image = (
            "{%- for number in range(found.images) -%}"
            f"{{%- if not loop.first -%}}{between}{{%- endif -%}}{text((picture,))}"
            "{%- endfor -%}"
        )
    system = "{{ raise_exception('this model was trained without system messages') }}"
    if template.system is not None:
        system = "{%- set system = words(messages[0]['content']) -%}"
    question = {"question": "words(message['content'])"}
    asked = "{%- if not loop.first -%}" + text(template.later, **question)
    asked += "{%- elif found.images -%}" + text(template.first_image, **question)
    asked += "{%- else -%}" + text(template.first_text, **question) + "{%- endif -%}"
    answered = text((template.answer,), answer="words(message['content'])") + text((template.end,))
    answered += "{%- if not loop.last -%}" + text(template.tail) + "{%- endif -%}"
    return (
        WORDS
        + COUNT
        + ("" if template.system is None else f"{{%- set system = {_quoted(template.system)} -%}}")
        + "{%- set turns = messages -%}"
        + "{%- if messages[0]['role'] == 'system' -%}{%- set turns = messages[1:] -%}"
        + f"{system}{{%- endif -%}}"
        + f"{{%- if found.images -%}}{_head(template, template.head_image, text)}{image}"
        + f"{{%- else -%}}{_head(template, template.head_text, text)}{{%- endif -%}}"
        + "{%- for message in turns -%}"
        + "{%- if message['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') -%}"
        + "{{ raise_exception('user and assistant must take turns, the user first') }}{%- endif -%}"
        + f"{{%- if message['role'] == 'user' -%}}{asked}{{%- else -%}}{answered}{{%- endif -%}}"
        + "{%- endfor -%}"
    )


def _head(template: Template, pieces: Pieces, text: Any) -> str:
    """The head, with the conversation's own system message in place of the template's."""
    if template.system is None:
        return text(pieces)
    open_pieces = tuple(
        piece if isinstance(piece, Special) else piece.replace(template.system, "{system}") for piece in pieces
    )
    return text(open_pieces, system="system")


def _text(pieces: Pieces, tokenizer: Any, values: dict[str, str]) -> str:
    """`{{ ... }}` of the pieces one behind the other; `values`: placeholder -> expression."""
    terms: list[str] = []
    for piece in pieces:
        if piece in (BOS, EOS) and isinstance(piece, Special):
            terms.append(_quoted((tokenizer.bos_token if piece == BOS else tokenizer.eos_token) or ""))
            continue
        for part in re.split(r"(\{\w+\})", piece):
            name = part[1:-1]
            terms.append(values[name] if name in values and part[:1] == "{" else _quoted(part))
    terms = [term for term in terms if term != "''"]
    return "{{ " + " + ".join(terms) + " }}" if terms else ""


def _quoted(text: str) -> str:
    """A Jinja string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
