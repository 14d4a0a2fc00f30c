"""Thoughts that a model writes before its answer, or instead of one, in the marks of those that do."""

import re

WORDS = "think|thinking|thoughts?|reasoning|reflection|scratchpad"
# Of Qwen, DeepSeek, GLM and most others (Seed with a prefix); Mistral; Kimi; Cohere; OpenThoughts; MedGemma; gpt-oss.
OPENING = (
    rf"<(?:seed:)?(?:{WORDS})(?:\s[^<>]*)?>",
    r"\[THINK\]",
    "◁think▷",
    r"<\|START_THINKING\|>",
    r"<\|begin_of_thought\|>",
    "<unused94>",
    r"<\|channel\|>\s*(?:analysis|commentary)[^<]*<\|message\|>",
)
CLOSING = (
    rf"</\s*(?:seed:)?(?:{WORDS})\s*>",
    r"\[/THINK\]",
    "◁/think▷",
    r"<\|END_THINKING\|>",
    r"<\|end_of_thought\|>",
    "<unused95>",
    r"<\|channel\|>\s*final[^<]*<\|message\|>",
)
MARK = re.compile(f"(?P<opening>{'|'.join(OPENING)})|{'|'.join(CLOSING)}", re.IGNORECASE)
END = re.compile(r"<\|(?:return|end)\|>")  # of an answer, where the marks of gpt-oss are told as text


def without_thoughts(text: str) -> tuple[str, int]:
    """The answer, and how many characters were left out for thoughts; a text without any comes back as it is.

    A thought that is not closed goes on to the end: the model was cut off in it, and what it said is no answer. One
    that was never opened began with the text, as many chat templates open it for the model.
    """
    kept: list[str] = []
    start, thinking, found = 0, False, False
    for mark in MARK.finditer(text):
        found = True
        if mark["opening"]:
            if not thinking:
                kept.append(text[start : mark.start()])
            thinking = True
        else:
            if not thinking:
                kept.clear()
            thinking = False
            start = mark.end()
    if not found:
        return text, 0
    if not thinking:
        kept.append(text[start:])
    answer = END.split("".join(kept), maxsplit=1)[0].strip()
    return answer, len(text) - len(answer)
