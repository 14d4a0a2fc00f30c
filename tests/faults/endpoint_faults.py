"""A question put to an endpoint that replies as a row says, without any waiting."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).resolve().parents[1] / folder) for folder in ("data_builders", "evaluation")]
from fake_endpoint import KEY, Endpoint, Reply, endpoint, failed, said
from judging_fakes import make_frow, make_run, verdict

from data_builders.shared.llm import sending
from evaluation.__main__ import main
from evaluation.asking.answerers.endpoint import EndpointAnswerer, endpoint_answerer
from evaluation.protocols import ImageQuestions, Question

__all__ = ["KEY", "Endpoint", "Reply", "endpoint", "failed", "make_frow", "make_run", "said"]


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


HINT = "Hint: Please answer the question requiring an integer answer and provide the final value.\nQuestion: How many?"


def asking(command: str, folder: Path) -> list[str]:
    """`run` and `judge` ask about six pictures, `score` about six replies; all keep their replies in `cache`."""
    data = make_frow(folder / "data")
    if command == "run":
        return ["run", "--model", "endpoint:m", "--tasks", "frow", "--data", str(data), "--out", f"{folder}/run"]
    if command == "judge":
        return ["judge", "--answers", str(make_run(folder / "run", data)), "--data", str(data)]
    row = {"task": "mathvista", "question": HINT, "gold": "3", "category": "x", "image": "1.png"}
    lines = [json.dumps({**row, "question_id": n, "answer": f"{n} and then 3"}) for n in range(1, 7)]
    (folder / "p.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return ["score", "mathvista", "--predictions", f"{folder}/p.jsonl", "--extract-with", "m", "--out", f"{folder}/s"]


def start(command: str, folder: Path, server: object, *more: str) -> int:
    base = ["--base-url", server.url, "--cache", f"{folder}/cache", "--concurrency", "1", "--timeout", "5"]
    return main([*asking(command, folder), *base, *more])


def reply_to(command: str) -> Reply:
    return choice({"run": "a wug", "judge": verdict(2, 1), "score": "3"}[command])


def results(command: str, folder: Path) -> int:
    """Answers, verdicts or extractions that came of it."""
    if command == "run":
        return sum(1 for _ in open(folder / "run" / "answers" / "start" / "frow__cub.jsonl"))
    if command == "judge":
        path = next((folder / "run").rglob("judged/*/frow__cub.jsonl"))
        return sum(1 for _ in open(path))
    return 6 - json.loads((folder / "s").read_text())["unparsed"].get("mathvista", 0)
