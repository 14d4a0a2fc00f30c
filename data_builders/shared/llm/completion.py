"""What an endpoint's reply says: the answer's text without thoughts, and how it came to its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..thoughts import without_thoughts

FINISHED, CUT, FILTERED, CALL, FAILED, UNKNOWN = "finished", "cut", "filtered", "call", "failed", "unknown"
UNSAID = "unsaid"  # no finish_reason at all
# finish_reason, in small letters: of OpenAI, vLLM, SGLang, TGI, Anthropic, Gemini, Mistral, Cohere, OpenRouter.
ENDINGS = {
    FINISHED: ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"),
    CUT: ("length", "max_tokens", "max_output_tokens", "model_length", "token_limit"),
    FILTERED: (
        *("content_filter", "content-filter", "contentfilter", "safety", "image_safety", "recitation", "blocklist"),
        *("prohibited_content", "spii", "refusal", "error_toxic", "sensitive", "language"),
    ),
    CALL: ("tool_calls", "tool_call", "tool_use", "function_call", "malformed_function_call"),
    FAILED: ("error", "abort", "aborted", "cancelled", "canceled", "timeout", "network_error"),
}
ENDING_OF = {word: ending for ending, words in ENDINGS.items() for word in words}
THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # parts of a message that hold thoughts
LONGEST_NAME = 200

By = tuple[str, str]  # what a reply says of the model that gave it: its name there, and system_fingerprint


class NoCompletion(ValueError):
    """It is no chat completion. `status`: of HTTP, where the endpoint tells an error in a reply that says 200."""

    def __init__(self, text: str, status: int | None = None):
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Completion:
    """One reply. `fault`: what is wrong with its shape, "" where nothing is. `said`: its finish_reason."""

    text: str
    ending: str
    said: str = ""
    fault: str = ""
    thoughts: int = 0  # characters of thoughts, which are not in `text`
    tokens: int = 0
    written_tokens: int = 0
    by: By = ("", "")


def read_completion(reply: Any) -> Completion:
    """The first choice of a reply as it was read from JSON. NoCompletion for what is none; any choice is read."""
    if not isinstance(reply, dict) or "choices" not in reply:
        error = reply.get("error") if isinstance(reply, dict) else None
        raise NoCompletion(words_in(error if error else reply) or f"it holds {shown(reply)}", status_in(error))
    usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
    counts = {"tokens": whole(usage.get("total_tokens")), "written_tokens": whole(usage.get("completion_tokens"))}
    by = (name_in(reply.get("model")), name_in(reply.get("system_fingerprint")))
    choices = reply["choices"]
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        if error := reply.get("error"):
            raise NoCompletion(words_in(error), status_in(error))
        return Completion("", UNKNOWN, fault=f"choices is {shown(choices)}", **counts, by=by)
    said = choice.get("finish_reason")
    ending = ending_of(said)
    if error := choice.get("error") or reply.get("error"):
        said, ending = f"{said}: {words_in(error)}", FAILED
    message = choice.get("message")
    if not isinstance(message, dict):
        return Completion("", UNKNOWN, str(said), f"message is {shown(message)}", **counts, by=by)
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(refusal, str) and refusal.strip() and not content:
        return Completion("", FILTERED, f"{said}: {refusal}", **counts, by=by)
    fault = "" if content is None or isinstance(content, str | list) else f"content is {shown(content)}"
    text, thoughts = without_thoughts("".join(texts_of(content, "text")))
    thoughts += sum(map(len, texts_of(content, "thought")))
    thoughts += max((len(one) for key in THOUGHTS if isinstance(one := message.get(key), str)), default=0)
    return Completion(text.strip(), ending, str(said), fault, thoughts, **counts, by=by)


def ending_of(said: Any) -> str:
    if said is None:
        return UNSAID
    if not isinstance(said, str):
        return UNKNOWN
    word = said.strip().lower().removeprefix("finishreason.").partition(":")[0]
    return ENDING_OF.get(word, UNKNOWN)


def texts_of(content: Any, kind: str) -> Iterator[str]:
    """The texts of a message's content, a text or a list of parts; with `kind` thought, those of its thoughts."""
    if isinstance(content, str):
        yield from [content] if kind == "text" else []
        return
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if not isinstance(part, dict):
            continue
        named = str(part.get("type", "text"))
        if (kind == "thought") == ("think" in named or "reason" in named):
            values = [part.get(key) for key in ("text", "thinking", "reasoning", "summary", "content")]
            yield from (one for value in values for one in flat(value))


def flat(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.get("text", value.get("value"))
    if isinstance(value, list):
        return [one for part in value for one in flat(part)]
    return [value] if isinstance(value, str) else []


def words_in(value: Any) -> str:
    """What an error of any shape says, in one line."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return "; ".join(filter(None, map(words_in, value)))
    if not isinstance(value, dict):
        return ""
    for key in ("message", "msg", "detail", "details", "error", "errors", "title"):
        if words := words_in(value.get(key)):
            metadata = value.get("metadata")  # OpenRouter: what the provider behind it said
            raw = metadata.get("raw") if isinstance(metadata, dict) else None
            return f"{words}: {words_in(raw)}" if raw else words
    return ""


def status_in(error: Any) -> int | None:
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else None


def name_in(value: Any) -> str:
    return "".join(sign for sign in value if sign.isprintable())[:LONGEST_NAME] if isinstance(value, str) else ""


def whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
