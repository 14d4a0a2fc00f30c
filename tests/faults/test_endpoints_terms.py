"""What an endpoint does not take is said in its own terms, and what it asks to wait for is waited for."""

import pytest
from endpoint_faults import Reply, answerer, choice, endpoint, failed, hurried, said
from table import rows

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, Endpoint, NoUsableAnswer, system, user
from evaluation.protocols import ImageQuestions, Question

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]


def refused(message: str, param: str | None = None, status: int = 400) -> Reply:
    return Reply({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}, status)


OTHER_NAME = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)
ONLY_ONE = (
    "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
)
EXTRA = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]
}
UNKNOWN = [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "temperature": no field.'}}]
RENAMED = {"max_completion_tokens": 16, "temperature": 0.0}
NO_TEMPERATURE = {"max_tokens": 16}


@rows(
    ("OpenAI: another name for max_tokens", {"max_tokens": refused(OTHER_NAME, "max_tokens")}, RENAMED),
    ("Mistral: no extra fields", {"max_tokens": Reply(EXTRA, 422)}, RENAMED),
    ("neither name of the limit", {"tokens": refused("Unknown parameter: {}.", "{}")}, {"temperature": 0.0}),
    ("OpenAI: no temperature but its own", {"temperature": refused(ONLY_ONE, "temperature")}, NO_TEMPERATURE),
    ("Gemini: an error in a list", {"temperature": Reply(UNKNOWN, 400)}, NO_TEMPERATURE),
    ("Claude: deprecated", {"temperature": refused("`temperature` is deprecated for this model.")}, NO_TEMPERATURE),
    ("TGI: positive", {"temperature": refused("`temperature` must be strictly positive", None, 422)}, NO_TEMPERATURE),
    (
        "OpenAI: neither",
        {"max_tokens": refused(OTHER_NAME), "temperature": refused(ONLY_ONE)},
        {"max_completion_tokens": 16},
    ),
    ("a context that is too long", {"": refused("max_tokens is too large: context is 8 tokens")}, None),
    ("a filter", {"": refused("content management policy", "prompt")}, None),
    ("a text that repeats the request", {"": refused("Invalid image; got max_tokens=16 temperature=0")}, None),
)
def test_parameters(tmp_path, how, out):
    """Sent at last: limit and temperature. None: refused as it is, and the next request is sent as the first was."""

    def answer(number, body):
        for name, reply in how.items():
            used = next((one for one in body if one.endswith("_tokens")), None)
            if name == "tokens" and used:
                return refused(reply.body["error"]["message"].format(used), used)
            if name in ("", *body):
                return reply
        return choice()

    with answerer(tmp_path, answer) as (one, server):
        first, second = ((Question(text, 16),) for text in ("Is it a bird?", "Is it a wug?"))
        ((found,),) = one.answer([ImageQuestions(None, first)])

        def sent(place: int) -> dict:
            return {key: value for key, value in server.requests[place].items() if key not in ("messages", "model")}

        if out is None:
            assert not hasattr(found, "text")
            server.answer = lambda number, body: choice()
            one.answer([ImageQuestions(None, second)])
            assert sent(-1) == sent(0)
            return
        assert (found.text, sent(-1)) == ("Yes", out)
        before = len(server.requests)
        one.answer([ImageQuestions(None, second)])
        assert len(server.requests) == before + 1  # learnt once


@rows(
    ("Gemma's template", refused("System role not supported"), True),
    ("o1-mini", refused("Unsupported value: 'messages[0].role' does not support 'system' with this model."), True),
    ("an old Mistral's template", refused("Conversation roles must alternate user/assistant/user/assistant"), True),
    ("Gemini's Gemma", refused("Developer instruction is not enabled for models/gemma-3-27b-it"), True),
    ("a filter", refused("The response was filtered due to the prompt"), False),
)
def test_a_system_message(tmp_path, how, out):
    def answer(number, body):
        return how if body["messages"][0]["role"] == "system" else choice()

    with endpoint(answer) as server:
        one = Client(Endpoint(model="m", cache=tmp_path, base_url=server.url))
        if not out:
            with pytest.raises(NoUsableAnswer, match="filtered"):
                one.ask([system("You judge."), user("Well?")])
            return
        assert one.ask([system("You judge."), user("Well?")]) == "Yes"
        assert server.requests[-1]["messages"] == [{"role": "user", "content": "You judge.\n\nWell?"}]


GOOGLE = [{"error": {"code": 429, "message": "quota", "details": [{"@type": "RetryInfo", "retryDelay": "57s"}]}}]


@rows(
    ("nothing said", failed(429, "slow down"), (1.0, 1.6)),
    ("Google's details", Reply(GOOGLE, 429), (57.0, 60.0)),
    ("in words", failed(429, "Rate limit reached. Please try again in 20s."), (20.0, 22.0)),
    ("in minutes", failed(429, "Please try again in 1m30s."), (90.0, 93.0)),
    ("in milliseconds", failed(429, "Please try again in 250ms."), (0.25, 1.0)),
    ("a header", failed(429, Retry_After="30"), (30.0, 32.0)),
    ("a header in milliseconds", failed(429, retry_after_ms="1500"), (1.5, 2.5)),
    ("a header that is none", failed(429, Retry_After="nan"), (1.0, 1.6)),
    ("a header that asks for too little", failed(429, Retry_After="0"), (0.0, 0.6)),
    ("too many at once", failed(503, "overloaded"), (1.0, 1.6)),
)
def test_a_quota_of_a_minute(tmp_path, hurried, how, out):
    """The first wait, in seconds; more than two minutes in all; and the error holds the endpoint's words."""
    with endpoint(lambda number, body: how) as server:
        with pytest.raises(UserError, match=r"answered (429|503): \w+"):
            Client(Endpoint(model="m", cache=tmp_path, base_url=server.url)).ask([user("Well?")])
    assert out[0] <= hurried[0] <= out[1]
    assert 120 < sum(hurried) < 1200


def test_an_empty_account_is_not_waited_for(tmp_path, hurried):
    with endpoint(lambda number, body: failed(429, "pay first", code="insufficient_quota")) as server:
        with pytest.raises(UserError, match="no quota left"):
            Client(Endpoint(model="m", cache=tmp_path, base_url=server.url)).ask([user("Well?")])
    assert hurried == []


def test_an_error_steers_no_terminal_and_tells_no_key(tmp_path):
    with endpoint(lambda number, body: failed(400, "bad \x1b[2J\x07 sk-test-4711-secret")) as server:
        with pytest.raises(UserError) as error:
            Client(Endpoint(model="m", cache=tmp_path, base_url=server.url)).ask([user("Well?")])
    assert str(error.value).isprintable()
    assert "4711" not in str(error.value)
    assert said("x").status == 200
