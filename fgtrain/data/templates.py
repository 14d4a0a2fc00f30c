"""How a conversation is laid out: which text and which special tokens stand around questions and answers.

The image stands right after the head, whatever place its placeholder had. Nothing stands between the image tokens and
the branch point, so every question about an image begins right behind it.
"""

from dataclasses import dataclass


class Special(str):
    """A special token, by its text; `bos` and `eos` stand for the tokenizer's own."""

    __slots__ = ()


BOS, EOS = Special("bos"), Special("eos")
IM_START, IM_END = Special("<|im_start|>"), Special("<|im_end|>")
Pieces = tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """Pieces of text, with `{question}` and `{answer}` where they go.

    A text-only conversation has its own head and first question, because a blank belongs to the token that follows it.
    """

    head_image: Pieces  # before the image tokens
    head_text: Pieces  # what a conversation without image begins with
    first_image: Pieces  # the question right after the image tokens
    first_text: Pieces
    later: Pieces  # any further question of a dialogue
    answer: str
    end: Special  # learnt with the answer
    tail: Pieces = ()  # after the end, not learnt
    asks: bool = True  # False: questions are dropped
    plain_head: Pieces = (BOS,)  # before plain text


_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
)
_HELPFUL = (BOS, IM_START, "system\nYou are a helpful assistant.", IM_END, "\n", IM_START)
_ASK = (IM_END, "\n", IM_START, "assistant\n")

TEMPLATES: dict[str, Template] = {
    "qa": Template(
        head_image=(BOS,),
        head_text=(BOS,),
        first_image=("\nQ: {question}\nA:",),
        first_text=("\nQ: {question}\nA:",),
        later=("\nQ: {question}\nA:",),
        answer=" {answer}",
        end=EOS,
    ),
    # LLaVA's alignment: the picture, then its caption. LLaVA ends on a line break; the end token lets generation stop.
    "plain": Template(
        head_image=(BOS,),
        head_text=(BOS,),
        first_image=(),
        first_text=(),
        later=(),
        answer="{answer}",
        end=EOS,
        asks=False,
    ),
    "vicuna_v1": Template(
        head_image=(BOS, _SYSTEM + "USER: "),
        head_text=(BOS, _SYSTEM + "USER:"),
        first_image=("\n{question} ASSISTANT:",),
        first_text=(" {question} ASSISTANT:",),
        later=("USER: {question} ASSISTANT:",),
        answer=" {answer}",
        end=EOS,
    ),
    "chatml": Template(
        head_image=(*_HELPFUL, "user\n"),
        head_text=_HELPFUL,
        first_image=("\n{question}", *_ASK),
        first_text=("user\n{question}", *_ASK),
        later=(IM_START, "user\n{question}", *_ASK),
        answer="{answer}",
        end=IM_END,
        tail=("\n",),
    ),
}
