"""What an endpoint takes of a request, found out from what it refuses: each wants other names for the same things."""

import re
from dataclasses import dataclass, replace
from typing import Any

from .messages import Message

TOKENS, COMPLETION_TOKENS, TEMPERATURE = "max_tokens", "max_completion_tokens", "temperature"
REFUSES = re.compile(
    r"unsupported|not support|unknown|unrecogni|unexpected|not (?:permitted|allowed|enabled|available|accepted|valid)"
    r"|forbidden|invalid|extra|deprecated|only the default|may only|must be|has to be|must alternate|positive|cannot"
    r"|\buse\b"
)
# The name is taken, and its value is too large or too small: another name would not help.
OUT_OF_RANGE = re.compile(r"too (?:large|small|low|high|long|many|big)|m[ai][xn]imum|context|exceed|at (?:most|least)")
SYSTEM = re.compile(r"\bsystem\b.*\b(?:role|message|prompt|instruct)|role.*\bsystem\b|alternate|developer instruction")
MOST_CHANGES = 4  # of one request


@dataclass(frozen=True)
class Dialect:
    """At first everything is sent as OpenAI's protocol had it."""

    tokens: str | None = TOKENS  # what the limit of a reply is called; None: there is none
    temperature: bool = True
    system: bool = True  # a message of its own; else its text goes before the user's

    def spoken(self, messages: list[Message], settings: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the request."""
        sent = dict(settings)
        if self.tokens != TOKENS and TOKENS in sent:
            value = sent.pop(TOKENS)
            sent |= {self.tokens: value} if self.tokens else {}
        if not self.temperature:
            sent.pop(TEMPERATURE, None)
        return sent | {"messages": messages if self.system else without_system(messages)}

    def after(self, words: str, sent: dict[str, Any]) -> "Dialect | None":
        """How to say it after this refusal of what was sent; None where saying it otherwise would not help."""
        words = words.lower()
        if not REFUSES.search(words):
            return None
        if not OUT_OF_RANGE.search(words):
            if COMPLETION_TOKENS in sent and COMPLETION_TOKENS in words:
                return replace(self, tokens=None)
            if TOKENS in sent and TOKENS in words:
                return replace(self, tokens=COMPLETION_TOKENS)
            if TEMPERATURE in sent and TEMPERATURE in words:
                return replace(self, temperature=False)
        if SYSTEM.search(words) and any(one["role"] == "system" for one in sent["messages"]):
            return replace(self, system=False)
        return None

    @property
    def lost(self) -> list[str]:
        """What cannot be said in it, for people."""
        lost = [] if self.tokens else ["no limit on the tokens of a reply: none is sent"]
        return lost + ([] if self.temperature else ["no temperature but its own: none is sent"])


def without_system(messages: list[Message]) -> list[Message]:
    """A system message's text before the first user's."""
    told = "\n\n".join(str(one["content"]) for one in messages if one["role"] == "system")
    rest = [one for one in messages if one["role"] != "system"]
    if not told or not rest:
        return messages
    content = rest[0]["content"]
    content = f"{told}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": told}, *content]
    return [{**rest[0], "content": content}, *rest[1:]]
