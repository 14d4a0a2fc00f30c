"""A server on this machine that answers as chat endpoints and the MediaWiki API do, and remembers what it was asked."""

import json
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "sk-test-4711-secret"


NEVER = threading.TIMEOUT_MAX  # seconds


@dataclass
class Reply:
    body: str | dict = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # before it comes; NEVER: it does not, as long as the endpoint is there


def said(text: str | None, finish: str = "stop") -> Reply:
    """A chat completion that says `text`."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
    return Reply(
        {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    )


def failed(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": {"message": message, "code": code, "type": "t"}}, status, lines)


def prompt_of(body: dict) -> str:
    """The first user message's text."""
    content = next(one["content"] for one in body["messages"] if one["role"] == "user")
    return content if isinstance(content, str) else content[-1]["text"]


def obliging(number: int, body: dict) -> Reply:
    """Writes what the prompts of `data_builders.writing` ask for."""
    prompt = prompt_of(body)
    category = re.search(r"^Category: (.*)$", prompt, re.MULTILINE).group(1)
    thing = re.search(r"called: the (.*) in the image", prompt).group(1)
    if '"verdicts"' in prompt:
        numbers = re.findall(r"^(\d+)\. (.*)$", prompt, re.MULTILINE)
        judged = {"reason": "fits", "answerable": True, "needs_recognition": True, "yes_no": False, "reveals": False}
        rows = [{**judged, "number": int(n), "answerable": "cosmic" not in text} for n, text in numbers]
        return said("```json\n" + json.dumps({"verdicts": rows}) + "\n```")
    if '"pairs"' in prompt:
        asked = [f"Where does the {category} live?", f"What does the {thing} in the image wear?"]
        asked += [f"Which songs does the {thing} in the image know?", f"Who found the {thing} in the image?"]
        return said(json.dumps({"pairs": [{"question": q, "answer": f"Fact {n}."} for n, q in enumerate(asked)]}))
    if '"questions"' in prompt:
        asked = [f"Is the {thing} in the image rare?", f"How heavy is the {category}?", "What cosmic ray hits it?"]
        asked += [f"Which songs does the {thing} in the image know?", f"Who found the {thing} in the image?"]
        return said(json.dumps({"questions": asked}))
    if "reference answer" in prompt:
        return said(f"The {category} was found by somebody.")
    return said(f"Introduction written as request {number}.")


class Endpoint:
    """`answer(number, body)` gives the reply to the numbered request; `requests` and `headers` are what came.

    `models`: what its list of models holds; None where it has none.
    """

    def __init__(self, answer: Callable[[int, dict], Reply] = obliging, models: list[dict] | None = None):
        self.answer, self.models = answer, models
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = self._now = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.serve(self, body)

            def do_GET(self):
                if urlsplit(self.path).path.endswith("/models"):
                    return endpoint.list_models(self)
                endpoint.serve(self, {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def list_models(self, handler: BaseHTTPRequestHandler) -> None:
        data = json.dumps({"object": "list", "data": self.models}).encode()
        handler.send_response(404 if self.models is None else 200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def serve(self, handler: BaseHTTPRequestHandler, body: dict) -> None:
        with self.lock:
            self.requests.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            number = len(self.requests)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            reply = self.answer(number, body)
            if self.over.wait(reply.seconds):
                return
        finally:
            with self.lock:  # before it is written: whoever has read it may ask again at once
                self._now -= 1
        data = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
        try:
            handler.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # nobody waits any more

    @property
    def prompts(self) -> list[str]:
        return [json.dumps(body["messages"], sort_keys=True) for body in self.requests]


@contextmanager
def endpoint(answer: Callable[[int, dict], Reply] = obliging, models: list[dict] | None = None):
    one = Endpoint(answer, models)
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.over.set()
        one.server.shutdown()
        one.server.server_close()
