"""A question put to an endpoint that replies as a row says, without any waiting."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "data_builders"))
from fake_endpoint import KEY, Endpoint, Reply, endpoint, failed, said

from data_builders.shared.llm import sending
from evaluation.asking.answerers.endpoint import EndpointAnswerer, endpoint_answerer
from evaluation.protocols import ImageQuestions, Question

__all__ = ["KEY", "Endpoint", "Reply", "answerer", "choice", "endpoint", "failed", "hurried", "outcome", "said"]


@pytest.fixture
def hurried(monkeypatch) -> Iterator[list[float]]:
    """The seconds that would have been waited for before each further try."""
    waits: list[float] = []
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(sending, "pause", lambda seconds, why, stop: waits.append(seconds))
    return waits


def choice(message: object = "Yes", **changes: object) -> Reply:
    """A completion whose only choice says so; `message`: its content, or the whole message."""
    message = message if isinstance(message, dict) and "role" in message else {"role": "assistant", "content": message}
    one = {"index": 0, "message": message, "finish_reason": "stop", **changes}
    return Reply({"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [one]})


@contextmanager
def answerer(
    folder: Path, reply: Callable[[int, dict], Reply], models: list[dict] | None = None, **settings: object
) -> Iterator[tuple[EndpointAnswerer, Endpoint]]:
    with endpoint(reply, *([models] if models is not None else [])) as server:
        settings = {"concurrency": 1, "timeout_seconds": 10.0, **settings}
        yield endpoint_answerer("m", folder / "replies", base_url=server.url, **settings), server


def outcome(folder: Path, reply: Reply | Callable[[int, dict], Reply]) -> str | tuple[str, str] | None:
    """What is made of the reply to one question: the answer, ("cut", its text) for one that is cut off, or None."""
    with answerer(folder, reply if callable(reply) else lambda number, body: reply) as (one, _):
        ((answer,),) = one.answer([ImageQuestions(None, (Question("Is it a bird?", 16),))])
    if not hasattr(answer, "text"):
        return None
    return answer.text if answer.finished else ("cut", answer.text)
