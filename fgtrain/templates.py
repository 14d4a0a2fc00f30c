"""How a conversation is laid out: which text and which special tokens stand around questions and answers.

Images stand right after the head, whatever places their placeholders had, each between the special tokens that its
model puts around one. Nothing stands between the last and the branch point: every question begins right there.
"""

from dataclasses import dataclass

from data_builders.shared.llava_as_published import SYSTEM


class Special(str):
    """A special token, by its text; `bos` and `eos` stand for the tokenizer's own."""

    __slots__ = ()


BOS, EOS = Special("bos"), Special("eos")
IM_START, IM_END = Special("<|im_start|>"), Special("<|im_end|>")
SAID = Special("<end_of_utterance>")
TURN, TURN_END = Special("<start_of_turn>"), Special("<end_of_turn>")
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
    between_images: Pieces = ()
    apart: bool = False  # what stands behind an image is tokenised as if it began a text: LLaVA's code cuts there
    system: str | None = None  # the part of the heads that a conversation's own system message takes the place of


_SYSTEM = SYSTEM + " "
_HELPFUL = "You are a helpful assistant."
_ASK = (IM_END, "\n", IM_START, "assistant\n")
_INTERNVL = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)


def _chatml(system: str | None, image_break: str = "\n", between_images: Pieces = ()) -> Template:
    """Turns between <|im_start|> and <|im_end|>. `image_break`: between the last image and the question."""
    head = (BOS, IM_START) if system is None else (BOS, IM_START, f"system\n{system}", IM_END, "\n", IM_START)
    return Template(
        head_image=(*head, "user\n"),
        head_text=head,
        first_image=(image_break + "{question}", *_ASK),
        first_text=("user\n{question}", *_ASK),
        later=(IM_START, "user\n{question}", *_ASK),
        answer="{answer}",
        end=IM_END,
        tail=("\n",),
        between_images=between_images,
        system=system,
    )


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
        apart=True,
    ),
    "vicuna_v1": Template(
        head_image=(BOS, _SYSTEM + "USER: "),
        head_text=(BOS, _SYSTEM + "USER:"),
        first_image=("\n{question} ASSISTANT:",),
        first_text=(" {question} ASSISTANT:",),
        later=("USER: {question} ASSISTANT:",),
        answer=" {answer}",
        end=EOS,
        apart=True,
        system=SYSTEM,
    ),
    "mistral": Template(
        head_image=(BOS, "[INST] "),
        head_text=(BOS, "[INST]"),
        first_image=("\n{question} [/INST]",),
        first_text=(" {question} [/INST]",),
        later=("[INST] {question} [/INST]",),
        answer=" {answer}",
        end=EOS,
    ),
    # Its begin of text is <|im_start|>; Idefics3's is its own.
    "smolvlm": Template(
        head_image=(BOS, "User:"),
        head_text=(BOS, "User:"),
        first_image=("{question}", SAID, "\nAssistant:"),
        first_text=(" {question}", SAID, "\nAssistant:"),
        later=("User: {question}", SAID, "\nAssistant:"),
        answer=" {answer}",
        end=SAID,
        tail=("\n",),
    ),
    "gemma3": Template(
        head_image=(BOS, TURN, "user\n"),
        head_text=(BOS, TURN),
        first_image=("{question}", TURN_END, "\n", TURN, "model\n"),
        first_text=("user\n{question}", TURN_END, "\n", TURN, "model\n"),
        later=(TURN, "user\n{question}", TURN_END, "\n", TURN, "model\n"),
        answer="{answer}",
        end=TURN_END,
        tail=("\n",),
    ),
    "chatml": _chatml(_HELPFUL),
    "qwen2_5_vl": _chatml(_HELPFUL, image_break=""),  # Qwen2-VL's as well
    "qwen3_vl": _chatml(None, image_break=""),
    "internvl2_5": _chatml(_INTERNVL, between_images=("\n",)),
    "internvl3": _chatml(None, between_images=("\n",)),
    # As in the released processor, which differs from chatml, that these models were trained with.
    "llava_onevision": Template(
        head_image=(BOS, IM_START, "user "),
        head_text=(BOS, IM_START),
        first_image=("\n{question}", IM_END, IM_START, "assistant\n"),
        first_text=("user \n{question}", IM_END, IM_START, "assistant\n"),
        later=(IM_START, "user \n{question}", IM_END, IM_START, "assistant\n"),
        answer="{answer}",
        end=IM_END,
    ),
}
