"""Only a finished reply is an answer, and a reply of any shape is one or none, never a traceback."""

import pytest
from endpoint_faults import Reply, choice, endpoint, failed, hurried, outcome
from table import rows

from evaluation.asking.answerers.endpoint import endpoint_answerer
from evaluation.protocols import ImageQuestions, Question

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]


@rows(
    ("stop", choice(), "Yes"),
    ("TGI's eos_token", choice(finish_reason="eos_token"), "Yes"),
    ("Gemini's STOP", choice(finish_reason="STOP"), "Yes"),
    ("Anthropic's end_turn", choice(finish_reason="end_turn"), "Yes"),
    ("cut off", choice("Ye", finish_reason="length"), ("cut", "Ye")),
    ("cut off, as Gemini says it", choice("Ye", finish_reason="MAX_TOKENS"), ("cut", "Ye")),
    ("filtered", choice("Ye", finish_reason="content_filter"), None),
    ("filtered, as Gemini says it", choice("Ye", finish_reason="SAFETY"), None),
    ("filtered, with a reason", choice("Ye", finish_reason="content_filter: PROHIBITED_CONTENT"), None),
    ("refused", choice({"role": "assistant", "content": None, "refusal": "I cannot say."}), None),
    ("the gateway's upstream died", choice("Ye", finish_reason="error"), None),
    ("an error object beside stop", choice("Ye", error={"code": 502, "message": "died"}), None),
    ("an error object beside the choices", Reply({**choice("Ye").body, "error": {"code": 502, "message": "x"}}), None),
    ("SGLang's and vLLM's abort", choice("Ye", finish_reason="abort"), None),
    ("a tool call", choice("Ye", finish_reason="tool_calls"), None),
    ("null", choice("Ye", finish_reason=None), None),
    ("an unknown word", choice("Ye", finish_reason="preempted"), None),
    ("a number", choice("Ye", finish_reason=3), None),
)
def test_how_a_reply_ends(tmp_path, how, out):
    assert outcome(tmp_path, how) == out


def without(key: str) -> Reply:
    reply = choice()
    del reply.body["choices"][0][key]
    return reply


def choices(value: object) -> Reply:
    reply = choice()
    return Reply({**reply.body, "choices": value})


UNSAID = {
    "null": choice(finish_reason=None),
    "none": without("finish_reason"),
    "null, empty": choice("", finish_reason=None),
    "an unknown word": choice(finish_reason="preempted"),
    "failed": choice(finish_reason="error"),
}


@pytest.mark.parametrize("how", UNSAID)
def test_a_server_that_never_says_how_a_reply_ended_is_believed_where_the_user_says_so(tmp_path, how):
    """Only where it says nothing; counted; kept as such, and no answer to whoever does not say so."""
    group, believed = [ImageQuestions(None, (Question("Is it a bird?", 16),))], how in ("null", "none")
    told = "1 of 1 answers came without finish_reason and are taken as whole"
    with endpoint(lambda *_: UNSAID[how]) as server:

        def asked(accept: bool) -> tuple[bool, bool]:
            """(was it answered, does the run say so)"""
            settings = {"concurrency": 1, "accept_no_finish_reason": accept}
            one = endpoint_answerer("m", tmp_path / "replies", base_url=server.url, **settings)
            ((answer,),) = one.answer(group)
            return getattr(answer, "text", "") == "Yes", told in one.kept(1, [])

        assert asked(True) == (believed, believed)
        assert asked(False) == (False, False)
        sent = len(server.requests)
        assert asked(True) == (believed, believed)
        assert (len(server.requests) == sent) == believed  # it was paid


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "a kite? no"}]}
TEXT = {"type": "text", "text": "Yes"}


@rows(
    ("a part of text", choice([TEXT]), "Yes"),
    ("two parts of text", choice([TEXT, {"type": "output_text", "text": ", it is"}]), "Yes, it is"),
    ("a thought and a text", choice([THINKING, TEXT]), "Yes"),
    ("a thought alone", choice([THINKING]), None),
    ("plain texts in a list", choice(["Y", "es"]), "Yes"),
    ("no parts", choice([]), None),
    ("a part of another kind", choice([{"type": "image_url", "image_url": {"url": "data:"}}]), None),
    ("parts that are none", choice([None, 7]), None),
    ("an object", choice({"type": "text", "text": "Yes"}), None),
    ("a number", choice(7), None),
    ("null", choice(None), None),
    ("blanks", choice(" \n"), None),
    ("half a surrogate pair", choice("Yes \ud83d"), "Yes \ud83d"),
    ("a message that is text", without("message"), None),
    ("no finish_reason", without("finish_reason"), None),
    ("choices null", choices(None), None),
    ("no choices", choices([]), None),
    ("a choice that is null", choices([None]), None),
    ("choices by number", choices({"0": choice().body["choices"][0]}), None),
    ("a message that is a text", choices([{"finish_reason": "stop", "message": "Yes"}]), None),
    ("counts that are texts", Reply({**choice().body, "usage": {"total_tokens": "many"}}), "Yes"),
    ("counts that are a list", Reply({**choice().body, "usage": [3]}), "Yes"),
)
def test_what_a_reply_may_be(tmp_path, how, out):
    assert outcome(tmp_path, how) == out


@rows(
    ("OpenRouter: too many, told with status 200", Reply({"error": {"code": 429, "message": "slow down"}}), "Yes"),
    ("a page of HTML", Reply("<html>busy</html>"), "Yes"),
    ("an answer that stops in the middle", Reply('{"choices": [{"mess'), "Yes"),
    ("nested too deeply", Reply('{"a":' * 100_000), "Yes"),
    ("the gateway's upstream died once", choice("Ye", finish_reason="error"), "Yes"),
    ("no choices once", choices([]), "Yes"),
    ("too many at once", failed(503, "overloaded"), "Yes"),
    ("Anthropic's overloaded", failed(529, "overloaded"), "Yes"),
)
def test_what_passes_is_asked_again(tmp_path, how, out):
    assert outcome(tmp_path, lambda number, body: how if number == 1 else choice()) == out
