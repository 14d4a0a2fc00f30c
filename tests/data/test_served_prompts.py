"""What a server shows a model, by the template in the checkpoint's folder, is what the recipe's own engine shows it."""

from dataclasses import replace

import pytest
from data_fakes import SPEC, tokenizer

from fgtrain.data import encode_prompt
from fgtrain.model.chat_template import chat_template
from fgtrain.templates import TEMPLATES

PICTURED = replace(SPEC, token="<image>")
QUESTIONS = ("What is it?", "  a red bird\nor a blue one? ", "Is it 3.5 m? Answer yes or no.", "ünïcode 北 {x} {{y}}")


@pytest.mark.parametrize("kind", ["bytes", "blanks"])
@pytest.mark.parametrize("chat", TEMPLATES)
def test_every_template_gives_a_server_the_tokens_of_ones_own_engine(chat: str, kind: str) -> None:
    """Parts as vLLM hands them to a template (content format openai), and its text tokenised as a whole."""
    made = tokenizer(kind)
    template = chat_template(chat, made, PICTURED, "<image>")
    for question in QUESTIONS:
        for layouts in ([PICTURED.layout(20, 24)], []):
            own = encode_prompt([question], layouts, made, chat, PICTURED, [8])
            image = made.convert_tokens_to_ids("<image>")
            ids = [image if stands else i for i, stands in zip(own.prefix_ids, own.prefix_is_image, strict=True)]
            content = [*[{"type": "image"}] * len(layouts), {"type": "text", "text": question}]
            text = made.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
            )
            text = text.replace("<image>", "<image>" * PICTURED.tokens)
            assert made(text, add_special_tokens=False)["input_ids"] == ids + own.branches[0], (question, text)
