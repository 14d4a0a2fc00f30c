"""Asks until a reply can be used, and says why one cannot."""

from collections.abc import Callable

from pydantic import BaseModel

from .completion import CALL, CUT, Completion
from .failures import NoUsableAnswer
from .messages import Message
from .replies import Check, Unusable, parse
from .sending import Endpoint

REPLIES_PER_REQUEST = 3  # a reply that is no answer is asked again so often in all


def usable_reply(
    send: Callable[[list[Message]], Completion],
    messages: list[Message],
    endpoint: Endpoint,
    schema: type[BaseModel] | None,
    check: Check | None,
    scrubbed: Callable[[str], str],
) -> tuple[Completion, int]:
    """The first reply that `schema` and `check` accept, and the tokens that it took to get it; each that they do not is
    answered with what is wrong. `scrubbed`: a text without secrets, for messages. NoUsableAnswer when none comes.
    """
    conversation, used, fault, text = messages, 0, "", ""
    for _ in range(REPLIES_PER_REQUEST):
        reply = send(conversation)
        used, text = used + reply.tokens, reply.text
        try:
            if reply.ending in (CUT, CALL):
                hint = "; answer more briefly" if reply.ending == CUT else ""
                raise Unusable(f"the reply {no_answer(reply, endpoint.max_tokens)}{hint}")
            parse(text, schema, check)
            return reply, used
        except Unusable as error:
            fault = str(error)
        complaint = {"role": "user", "content": f"This cannot be used: {fault}. Answer again, as asked above."}
        # Always a reply in between: many chat templates refuse two messages of the user in a row.
        conversation = [*messages, {"role": "assistant", "content": text or "(nothing)"}, complaint]
    raise NoUsableAnswer(
        f"{endpoint.model} gave no usable answer in {REPLIES_PER_REQUEST} replies: {scrubbed(fault)}. "
        f"The last one began {scrubbed(text[:120])!r}. Try another --model, or a larger --max-tokens"
    )


def no_answer(reply: Completion, max_tokens: int | None) -> str:
    """Why a reply is none, and what to do."""
    what = "sent nothing but thoughts" if reply.thoughts and not reply.text else "sent an empty reply"
    if reply.text:
        what = "called a tool" if reply.ending == CALL else "was cut off"
    room = f" after {max_tokens} tokens" if max_tokens else ""
    cut = f", cut off{room}: a larger --max-tokens leaves room for the answer" if reply.ending == CUT else ""
    return f"{what}{cut}" if cut and not reply.text else f"{what} (finish_reason {reply.said or 'none'})"
